import Foundation

/// How one cluster's API server is reached and who we are there. Holds secrets: it is not Codable, and neither
/// `description` nor `dump` shows more than the endpoint and the kind of credential.
public struct ClusterConnection: Sendable, Equatable {
    /// Proves who we are.
    public enum Credential: Sendable, Equatable {
        /// A bearer token.
        case token(String)
        /// A client certificate and its private key, both PEM.
        case clientCertificate(certificatePEM: String, keyPEM: String)
    }

    /// The API server's https URL without a trailing slash.
    public let endpoint: String
    /// The certificates to trust, PEM; nil for the system's.
    public let authorityPEM: String?
    /// Who we are.
    public let credential: Credential

    /// A checked connection.
    /// - Throws: `KubernetesError` with code `.badConfiguration`, naming the part and what is wanted, never its value when
    ///   it is a secret.
    public init(endpoint: String, authorityPEM: String?, credential: Credential) throws {
        self.endpoint = try ClusterConnection.checkedEndpoint(endpoint)
        if let authorityPEM {
            try ClusterConnection.check(authorityPEM, "CERTIFICATE", part: "the cluster's authority")
        }
        self.authorityPEM = authorityPEM
        switch credential {
        case .token(let raw):
            // A token file ends with a newline more often than not.
            let token = raw.trimmingCharacters(in: .whitespacesAndNewlines)
            guard !token.isEmpty, token.utf8.count <= 64 * 1024,
                token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
            else {
                throw KubernetesError(
                    .badConfiguration,
                    "the bearer token is empty, longer than 64 KiB or holds spaces or control characters")
            }
            self.credential = .token(token)
        case .clientCertificate(let certificate, let key):
            try ClusterConnection.check(certificate, "CERTIFICATE", part: "the client certificate")
            try ClusterConnection.check(key, "PRIVATE KEY", part: "the client key")
            self.credential = credential
        }
    }

    /// Replaces every occurrence of this connection's secrets in the text.
    func redact(_ text: String) -> String {
        switch credential {
        case .token(let token):
            return text.replacingOccurrences(of: token, with: "[redacted]")
        case .clientCertificate(_, let key):
            return text.replacingOccurrences(of: key, with: "[redacted]")
        }
    }

    private static func check(_ pem: String, _ label: String, part: String) throws {
        guard pem.contains("-----BEGIN "), pem.contains("\(label)-----"), !pem.utf8.contains(0) else {
            throw KubernetesError(
                .badConfiguration, "\(part) is not PEM: wanted a \"-----BEGIN … \(label)-----\" block")
        }
    }

    private static func checkedEndpoint(_ text: String) throws -> String {
        let shown = text.prefix(200)
        func refuse(_ why: String) -> KubernetesError {
            KubernetesError(.badConfiguration, "the cluster's server \"\(shown)\" \(why); wanted https://host[:port]")
        }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), let parts = URLComponents(string: text) else {
            throw refuse("is not a URL")
        }
        guard parts.user == nil, parts.password == nil else {
            throw KubernetesError(
                .badConfiguration, "the cluster's server holds a user or password in its URL: remove it")
        }
        guard let scheme = parts.scheme?.lowercased(), scheme == "https" else {
            throw refuse(
                parts.scheme?.lowercased() == "http" ? "is plain http, which would show the token" : "is not https")
        }
        guard let host = parts.host, !host.isEmpty else { throw refuse("names no host") }
        guard parts.query == nil, parts.fragment == nil else { throw refuse("has a query or fragment") }
        return text.hasSuffix("/") ? String(text.dropLast()) : text
    }
}

extension ClusterConnection: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The endpoint and the kind of credential.
    public var description: String {
        "ClusterConnection(\(endpoint), \(credential), authority: \(authorityPEM == nil ? "system" : "its own"))"
    }
    /// The same as `description`.
    public var debugDescription: String { description }
    /// Shows `dump` no more than `description` does.
    public var customMirror: Mirror { Mirror(self, children: ["endpoint": endpoint]) }
}

extension ClusterConnection.Credential: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The kind, never the secret.
    public var description: String {
        switch self {
        case .token: "token [redacted]"
        case .clientCertificate: "client certificate [redacted]"
        }
    }
    /// The same as `description`.
    public var debugDescription: String { description }
    /// Shows `dump` no secret.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
