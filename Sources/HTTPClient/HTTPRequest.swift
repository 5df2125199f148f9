/// One request, sent as it is: no redirects are followed, no proxy of the environment is used, nothing is decompressed.
public struct HTTPRequest: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The method, such as `GET`.
    public var method: String
    /// The absolute URL, `http` or `https`, without user name and password.
    public var url: String
    /// Header fields in the order sent.
    public var headers: [(name: String, value: String)]
    /// The body; nil: none.
    public var body: [UInt8]?
    /// Bound of the whole exchange, including waiting for a free connection and, of a stream, its body.
    public var timeout: Duration
    /// Bound of a silent stretch while the exchange runs, in whole seconds; nil: none. For streams.
    public var idleTimeout: Duration?
    /// Most bytes of the answer's body; an answer with more fails as `tooLarge`. A stream's body is not bounded by it.
    public var responseBytesMax: Int
    /// Who may vouch for the server.
    public var trust: TLSTrust
    /// What this side proves itself with; nil: nothing.
    public var clientIdentity: ClientIdentity?
    /// Which addresses may be connected to.
    public var egress: EgressPolicy
    /// What it does, for metrics and spans; nil: only its method is told.
    public var operation: HTTPOperation?
    /// False for the exporter of spans itself.
    public var isTraced = true

    /// Makes a request; the default limits are 30 s and 64 MiB.
    public init(
        method: String = "GET",
        url: String,
        headers: [(name: String, value: String)] = [],
        body: [UInt8]? = nil,
        timeout: Duration = .seconds(30),
        idleTimeout: Duration? = nil,
        responseBytesMax: Int = 64 << 20,
        trust: TLSTrust = .system,
        clientIdentity: ClientIdentity? = nil,
        egress: EgressPolicy = .operatorConfigured
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.idleTimeout = idleTimeout
        self.responseBytesMax = responseBytesMax
        self.trust = trust
        self.clientIdentity = clientIdentity
        self.egress = egress
    }

    /// Method, scheme, host and path; never a user, a query, a header or the body.
    public var description: String {
        let bare = url.prefix { $0 != "?" && $0 != "#" }
        guard let start = bare.firstRange(of: "://")?.upperBound else { return "\(method) \(bare)" }
        let authority = bare[start...].prefix { $0 != "/" }
        let host = authority.lastIndex(of: "@").map { authority[authority.index(after: $0)...] } ?? authority
        return "\(method) \(bare[..<start])\(host)\(bare[authority.endIndex...])"
    }
    /// As `description`.
    public var debugDescription: String { description }
    /// Empty, so that `dump` tells no secret.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Who may vouch for a server. There is no way to skip the check.
public enum TLSTrust: Sendable, Hashable {
    /// The machine's certificate authorities.
    case system
    /// These authorities (PEM, one or more) and no others.
    case authority(pem: String)
}

/// A client certificate with its key, both PEM, kept in memory only.
public struct ClientIdentity: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// The certificate, followed by its chain if any.
    public var certificatePEM: String
    /// The unencrypted private key.
    public var privateKeyPEM: String

    /// Makes an identity.
    public init(certificatePEM: String, privateKeyPEM: String) {
        self.certificatePEM = certificatePEM
        self.privateKeyPEM = privateKeyPEM
    }

    /// Says nothing of the key.
    public var description: String { "ClientIdentity(redacted)" }
    /// Says nothing of the key.
    public var debugDescription: String { description }
    /// Says nothing of the key.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
