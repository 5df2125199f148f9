import Foundation
import HTTPClient
import Synchronization
import TestSupport
import Testing

@testable import AWS

@Suite("AWS credentials", .timeLimit(.minutes(10)))
struct CredentialsTests {
    static let role =
        "<R><AssumeRoleResult><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>sec</SecretAccessKey>"
        + "<SessionToken>tok</SessionToken><Expiration>EXPIRY</Expiration></Credentials></AssumeRoleResult></R>"

    private static func answer(_ action: String, expiry: Date) -> Fault {
        Fault(
            body: role.replacingOccurrences(of: "AssumeRole", with: action)
                .replacingOccurrences(of: "EXPIRY", with: AWSTimestamp.extended(expiry)))
    }

    private func client(_ environment: [String: String]) throws -> AWSClient {
        let all = environment.merging(["AWS_REGION": "us-east-1"]) { given, _ in given }
        return try AWSClient(environment: all, transport: HTTPTransport(), readFile: { "content of \($0)\n" })
    }

    @Test(
        "an environment that is incomplete or wrong says what to do",
        arguments: [
            ([:], "no AWS credentials"), (["AWS_ACCESS_KEY_ID": "a"], "only one of"),
            (["AWS_WEB_IDENTITY_TOKEN_FILE": "/t"], "AWS_ROLE_ARN"), (["AWS_REGION": ""], "set AWS_REGION"),
            (["AWS_REGION": "evil.example/"], "no AWS region"),
            (["AWS_ENDPOINT_URL_SQS": "localhost"], "AWS_ENDPOINT_URL_SQS"),
            (["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.0.0.1/x"], "must be https"),
        ])
    func incomplete(environment: [String: String], text: String) {
        let error = #expect(throws: CredentialsError.self) { try client(environment) }
        #expect(error?.description.contains(text) == true)
    }

    @Test("IRSA: the token file is exchanged for a session, and the call itself is not signed")
    func webIdentity() async throws {
        let server = try ScriptServer([
            CredentialsTests.answer("AssumeRoleWithWebIdentity", expiry: Date() + 3_600)
        ])
        let client = try client([
            "AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": "arn:aws:iam::1:role/x",
            "AWS_ENDPOINT_URL_STS": server.url,
        ])
        let keys = try await #require(client.credentials).current()
        #expect(keys.accessKeyID == "ASIA1")
        #expect(keys.sessionToken == "tok")
        let seen = try await server.seen()
        #expect(
            seen[0].body.contains("WebIdentityToken=content+of+%2Ftoken&")
                || seen[0].body.hasSuffix("content+of+%2Ftoken"))
        #expect(seen[0].headers["authorization"] == nil)
    }

    @Test("EKS pod identity: the endpoint is asked with the token")
    func container() async throws {
        let script = """
            import http.server, json, os, sys, threading
            class Handler(http.server.BaseHTTPRequestHandler):
                def log_message(self, *a): pass
                def do_GET(self):
                    ok = self.headers.get("Authorization") == "content of /pod"
                    body = json.dumps({"AccessKeyId": "ASIAPOD", "SecretAccessKey": "s", "Token": "t",
                        "Expiration": "2099-01-01T00:00:00Z"}).encode()
                    self.send_response(200 if ok else 403)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
            server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
            threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
            print(server.server_port)
            server.serve_forever()
            """
        let server = try ScriptServer(script: script)
        let good = try client([
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": server.url + "/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/pod",
        ])
        #expect(try await #require(good.credentials).current().accessKeyID == "ASIAPOD")
        let bad = try client(["AWS_CONTAINER_CREDENTIALS_FULL_URI": server.url + "/v1/credentials"])
        await #expect(throws: CredentialsError.self) { try await #require(bad.credentials).current() }
    }

    @Test("sessions are kept per role, external id and policy, fetched once however many ask, renewed before their end")
    func sessions() async throws {
        let server = try ScriptServer([CredentialsTests.answer("AssumeRole", expiry: Date() + 3_600)])
        let ahead = Mutex<TimeInterval>(0)
        var timing = CallTiming.machine
        timing.now = { Date() + ahead.withLock { $0 } }
        let base = AWSClient(
            transport: HTTPTransport(), credentials: CredentialsSource(SignatureTests.plain), region: "us-east-1",
            endpoints: try AWSEndpoints(environment: ["AWS_ENDPOINT_URL": server.url]), timing: timing)
        let sessions = RoleSessions(base: base)
        let request = RoleRequest(role: "arn:r", externalID: "ext", sessionName: "job 7/é", sessionPolicy: "{}")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { _ = try await sessions.source(request).current() } }
            try await group.waitForAll()
        }
        #expect(try await server.seen().count == 1)
        #expect(try await server.seen()[0].body.contains("RoleSessionName=job-7--"))
        #expect(try await server.seen()[0].body.contains("ExternalId=ext"))
        var other = request
        other.externalID = "other"
        _ = try await sessions.source(other).current()
        #expect(try await server.seen().count == 2)
        ahead.withLock { $0 = 3_600 - 299 }
        _ = try await sessions.source(request).current()
        #expect(try await server.seen().count == 3)
    }

    @Test("endpoints follow service, region and partition; those of the environment go before")
    func endpoints() throws {
        let none = try AWSEndpoints()
        #expect(try none.url(.ec2, region: "eu-west-1") == "https://ec2.eu-west-1.amazonaws.com")
        #expect(try none.url(.sqs, region: "cn-north-1") == "https://sqs.cn-north-1.amazonaws.com.cn")
        let set = try AWSEndpoints(environment: [
            "AWS_ENDPOINT_URL": "http://127.0.0.1:5000/", "AWS_ENDPOINT_URL_AUTO_SCALING": "http://127.0.0.1:6000",
        ])
        #expect(try set.url(.sts, region: "eu-west-1") == "http://127.0.0.1:5000")
        #expect(try set.url(.autoscaling, region: "eu-west-1") == "http://127.0.0.1:6000")
        for region in ["evil.com/", "us-east-1.evil.com", "", "US-EAST-1", "us-east-"] {
            #expect(throws: AWSError.self) { try none.url(.ec2, region: region) }
        }
    }
}
