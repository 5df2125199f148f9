import Foundation
import Testing

@testable import AWS

/// Expected values were computed once with botocore 1.43.11 at this fixed time.
@Suite("Request signatures")
struct SignatureTests {
    static let date = Date(timeIntervalSince1970: 1_709_209_845)
    static let plain = AWSCredentials(
        accessKeyID: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    static let session = AWSCredentials(
        accessKeyID: "ASIAEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        sessionToken: "IQoJb3JpZ2luX2VjE+/=token")

    struct Case: Sendable {
        var credentials: AWSCredentials
        var service: String
        var region: String
        var method = "POST"
        var path = "/"
        var query: [(String, String)] = []
        var headers: [(name: String, value: String)]
        var body = ""
        var names: String
        var signature: String
    }

    static let cases = [
        Case(
            credentials: plain, service: "sqs", region: "us-east-1",
            headers: [
                ("Host", "sqs.us-east-1.amazonaws.com"), ("Content-Type", "application/x-amz-json-1.0"),
                ("X-Amz-Target", "AmazonSQS.ReceiveMessage"),
            ], body: "{\"QueueUrl\":\"q\"}", names: "content-type;host;x-amz-date;x-amz-target",
            signature: "f57fdfdb7bc4eb461208bc7a34be9dada90416b1aca6095031c8813f0acd4e2e"),
        Case(
            credentials: session, service: "ec2", region: "cn-north-1",
            headers: [
                ("Host", "ec2.cn-north-1.amazonaws.com.cn"),
                ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
            ], body: "Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=tag%3Aa+b",
            names: "content-type;host;x-amz-date;x-amz-security-token",
            signature: "b9ee00cbae090404945994094538bb0ce3cd11d0a0e011c2de1202784b34c08d"),
        Case(
            credentials: plain, service: "sts", region: "us-east-1", path: "/a%20b/c/",
            headers: [("Host", "127.0.0.1:5000"), ("Content-Type", "text/plain"), ("X-Spaces", "  a   b  ")],
            names: "content-type;host;x-amz-date;x-spaces",
            signature: "a150ba23ab35b9865dbda01be2a4383c2cba08a66311f0fa1e184d5e8e39b107"),
        Case(
            credentials: session, service: "pricing", region: "us-east-1", method: "GET",
            query: [("b", "2"), ("a", "1/ x"), ("a", "0"), ("e", "")],
            headers: [("Host", "api.pricing.us-east-1.amazonaws.com")], names: "host;x-amz-date;x-amz-security-token",
            signature: "518e24935f5d014d982fd24160f901318a81ee4942eab785416dda8231223bfa"),
        // The path is signed as it is sent: S3 alone does not encode it once more.
        Case(
            credentials: session, service: "s3", region: "us-east-1", method: "GET",
            path: "/b.c/AWSLogs/aws-account-id%3D1/year%3D2024/x.log.gz",
            query: [("list-type", "2"), ("start-after", "a/b=c")],
            headers: [
                ("Host", "s3.us-east-1.amazonaws.com"),
                ("X-Amz-Content-Sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ], names: "host;x-amz-content-sha256;x-amz-date;x-amz-security-token",
            signature: "60a8eb8c59668a36ddaa105e3bc9e281029c99e626edfb3ed2c4707e25c2f037"),
    ]

    @Test("signatures are those of botocore", arguments: cases)
    func vectors(given: Case) {
        let added = RequestSignature(
            credentials: given.credentials, region: given.region, service: given.service, date: SignatureTests.date
        ).headers(
            method: given.method, path: given.path, query: given.query, headers: given.headers,
            body: Array(given.body.utf8))
        #expect(added.first { $0.name == "X-Amz-Date" }?.value == "20240229T123045Z")
        #expect(
            added.last?.value
                == "AWS4-HMAC-SHA256 Credential=\(given.credentials.accessKeyID)/20240229/\(given.region)/\(given.service)"
                + "/aws4_request, SignedHeaders=\(given.names), Signature=\(given.signature)")
    }

    @Test("a presigned query is that of botocore")
    func presigned() {
        let query = RequestSignature(
            credentials: SignatureTests.session, region: "us-east-1", service: "sts", date: SignatureTests.date
        ).presignedQuery(
            path: "/", query: [("Action", "GetCallerIdentity"), ("Version", "2011-06-15")],
            headers: [("Host", "sts.us-east-1.amazonaws.com"), ("x-k8s-aws-id", "my cluster")], expiresSeconds: 60)
        #expect(query.hasSuffix("&X-Amz-Signature=9dc2718f6379035e6f9497d122bbbf79461509e95ae5b3c355235d51ef9d057b"))
        #expect(query.contains("X-Amz-Security-Token=IQoJb3JpZ2luX2VjE%2B%2F%3Dtoken"))
    }

    @Test("forms are encoded as AWS and moto agree on")
    func form() {
        #expect(PercentEncoding.encode("a b*:/+~-._é", spaceAsPlus: true) == "a+b%2A%3A%2F%2B~-._%C3%A9")
    }

    @Test(
        "times of AWS are read and written",
        arguments: [
            "2024-02-29T12:30:45Z", "2024-02-29T12:30:45.000Z", "2024-02-29T13:30:45+01:00",
        ])
    func times(text: String) {
        #expect(AWSTimestamp.date(text) == SignatureTests.date)
        #expect(AWSTimestamp.headerDate("Thu, 29 Feb 2024 12:30:45 GMT") == SignatureTests.date)
        #expect(AWSTimestamp.extended(SignatureTests.date) == "2024-02-29T12:30:45Z")
        #expect(AWSTimestamp.headerDate("yesterday") == nil)
    }
}
