/// A whole answer, whatever its status.
public struct HTTPResponse: Sendable {
    /// The status code.
    public var status: Int
    /// Header fields in the order received.
    public var headers: [(name: String, value: String)]
    /// The body as received, not decompressed.
    public var body: [UInt8]

    /// Makes an answer, for tests and twins.
    public init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The first header field of that name, case-insensitive.
    public func header(_ name: String) -> String? { firstHeader(headers, name) }
}

/// An answer whose body is still arriving. Dropping it ends the exchange.
public struct HTTPResponseStream: Sendable {
    /// The status code.
    public let status: Int
    /// Header fields in the order received.
    public let headers: [(name: String, value: String)]
    /// The chunks, in order, for one reader; the sender is held back while the reader is slow.
    public let body: HTTPBody

    /// The first header field of that name, case-insensitive.
    public func header(_ name: String) -> String? { firstHeader(headers, name) }
}

private func firstHeader(_ headers: [(name: String, value: String)], _ name: String) -> String? {
    let wanted = name.lowercased()
    return headers.first { $0.name.lowercased() == wanted }?.value
}
