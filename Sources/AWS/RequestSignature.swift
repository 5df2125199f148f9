import COpenSSL
import Foundation

/// AWS Signature Version 4. Source: the IAM user guide, "Create a signed AWS API request".
struct RequestSignature {
    var credentials: AWSCredentials
    var region: String
    var service: String
    var date: Date

    private static let algorithm = "AWS4-HMAC-SHA256"

    /// The header fields to add: `X-Amz-Date`, `X-Amz-Security-Token` where there is one, `Authorization`.
    /// - Parameters:
    ///   - path: as it is sent, percent-encoded.
    ///   - query: names and values, not encoded.
    ///   - headers: all that are to be signed, `Host` among them.
    func headers(
        method: String, path: String, query: [(String, String)] = [], headers: [(name: String, value: String)],
        body: [UInt8]
    ) -> [(name: String, value: String)] {
        var added = [(name: "X-Amz-Date", value: AWSTimestamp.compact(date))]
        if let token = credentials.sessionToken { added.append(("X-Amz-Security-Token", token)) }
        let all = headers + added
        let signature = signature(
            method: method, path: path, query: query, headers: all, bodyHash: Digest.sha256(body).hex)
        added.append(
            (
                "Authorization",
                "\(RequestSignature.algorithm) Credential=\(credentials.accessKeyID)/\(scope), "
                    + "SignedHeaders=\(RequestSignature.names(all)), Signature=\(signature)"
            ))
        return added
    }

    /// The query, encoded, of a presigned GET with an empty body.
    func presignedQuery(
        path: String, query: [(String, String)], headers: [(name: String, value: String)], expiresSeconds: Int
    ) -> String {
        var query = query
        query.append(("X-Amz-Algorithm", RequestSignature.algorithm))
        query.append(("X-Amz-Credential", "\(credentials.accessKeyID)/\(scope)"))
        query.append(("X-Amz-Date", AWSTimestamp.compact(date)))
        query.append(("X-Amz-Expires", String(expiresSeconds)))
        query.append(("X-Amz-SignedHeaders", RequestSignature.names(headers)))
        if let token = credentials.sessionToken { query.append(("X-Amz-Security-Token", token)) }
        let signature = signature(
            method: "GET", path: path, query: query, headers: headers, bodyHash: Digest.sha256([]).hex)
        return RequestSignature.canonicalQuery(query) + "&X-Amz-Signature=\(signature)"
    }

    private var day: String { String(AWSTimestamp.compact(date).prefix(8)) }
    private var scope: String { "\(day)/\(region)/\(service)/aws4_request" }

    private func signature(
        method: String, path: String, query: [(String, String)], headers: [(name: String, value: String)],
        bodyHash: String
    ) -> String {
        let fields = Dictionary(grouping: headers) { $0.name.lowercased() }
            .mapValues { $0.map { RequestSignature.collapsed($0.value) }.joined(separator: ",") }
        let canonical = [
            method,
            // S3 alone signs the path as it is sent.
            service == "s3" ? path : PercentEncoding.encode(path.isEmpty ? "/" : path, alsoKeeping: "/"),
            RequestSignature.canonicalQuery(query),
            fields.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)\n" }.joined(),
            RequestSignature.names(headers),
            bodyHash,
        ].joined(separator: "\n")
        let text = [
            RequestSignature.algorithm, AWSTimestamp.compact(date), scope, Digest.sha256(Array(canonical.utf8)).hex,
        ].joined(separator: "\n")
        let key = [day, region, service, "aws4_request"].reduce(Array("AWS4\(credentials.secretAccessKey)".utf8)) {
            Digest.hmac(key: $0, Array($1.utf8))
        }
        return Digest.hmac(key: key, Array(text.utf8)).hex
    }

    private static func names(_ headers: [(name: String, value: String)]) -> String {
        Set(headers.map { $0.name.lowercased() }).sorted().joined(separator: ";")
    }

    static func canonicalQuery(_ query: [(String, String)]) -> String {
        query.map { (PercentEncoding.encode($0), PercentEncoding.encode($1)) }.sorted { $0 < $1 }
            .map { "\($0)=\($1)" }.joined(separator: "&")
    }

    private static func collapsed(_ value: String) -> String {
        value.split { $0 == " " || $0 == "\t" }.joined(separator: " ")
    }
}

/// Percent-encoding of RFC 3986: letters, digits and `-._~` stay.
enum PercentEncoding {
    static func encode(_ text: String, alsoKeeping kept: String = "", spaceAsPlus: Bool = false) -> String {
        var out = ""
        for byte in text.utf8 {
            let isUnreserved =
                (97...122).contains(byte) || (65...90).contains(byte) || (48...57).contains(byte)
                || "-._~".utf8.contains(byte) || kept.utf8.contains(byte)
            if isUnreserved {
                out.unicodeScalars.append(Unicode.Scalar(byte))
            } else if byte == 0x20, spaceAsPlus {
                out += "+"
            } else {
                out += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return out
    }
}

/// SHA-256 of OpenSSL.
enum Digest {
    static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: 32)
        _ = unsafe SHA256(bytes, bytes.count, &out)
        return out
    }

    static func hmac(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: 32)
        var count: UInt32 = 0
        _ = unsafe HMAC(EVP_sha256(), key, Int32(key.count), bytes, bytes.count, &out, &count)
        return out
    }
}

extension [UInt8] {
    /// Lower-case hexadecimal.
    var hex: String {
        map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
