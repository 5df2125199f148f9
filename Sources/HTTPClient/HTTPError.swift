/// Why an exchange gave no answer. The text names the method, scheme, host and path; never a query, header value or body.
public struct HTTPError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure; callers decide by it.
    public enum Code: String, Sendable, CaseIterable {
        /// The whole exchange, or a silent stretch of a stream, took longer than allowed.
        case timeout
        /// No connection could be opened.
        case cannotConnect
        /// The host name has no address.
        case dns
        /// The TLS handshake failed, or the certificate is not trusted.
        case tls
        /// The answer has more bytes than `HTTPRequest.responseBytesMax`.
        case tooLarge
        /// The address or scheme is one that a customer may not name.
        case egressRefused
        /// The request itself cannot be sent: URL, method or header malformed.
        case badURL
        /// The calling task was cancelled, or the transport is gone.
        case cancelled
        /// The connection broke, or the answer is not HTTP.
        case network
    }

    /// The kind of failure.
    public var code: Code
    /// What was found, for people.
    public var message: String
    /// False when the request surely never left (DNS, connect, TLS failure, egress refused): safe to repeat anything.
    public var mayHaveReachedServer: Bool

    /// Makes an error.
    public init(_ code: Code, _ message: String, mayHaveReachedServer: Bool = false) {
        self.code = code
        self.message = message
        self.mayHaveReachedServer = mayHaveReachedServer
    }

    /// Code and message on one line.
    public var description: String { "\(code.rawValue): \(message)" }
}
