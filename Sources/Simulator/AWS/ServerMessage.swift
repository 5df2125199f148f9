/// A request as it arrived, its body read.
struct ServerRequest: Sendable {
    var method: String
    /// Without the query.
    var path: String
    /// As sent; empty for none.
    var query: String
    var headers: [(name: String, value: String)]
    var body: [UInt8]

    func header(_ name: String) -> String? { headers.first { $0.name.lowercased() == name }?.value }
}

/// The answer to it.
struct ServerReply: Sendable {
    enum Body: Sendable {
        case bytes([UInt8])
        case watch(WatchSession, cluster: String)
        /// So many spaces in a JSON string.
        case huge(Int)
    }

    var status: Int
    var contentType: String
    var headers: [(name: String, value: String)] = []
    var body: Body
    /// Close the connection instead of answering.
    var isDropped = false

    static func json(_ value: JSONValue, status: Int = 200) -> ServerReply {
        ServerReply(status: status, contentType: "application/json", body: .bytes(value.bytes))
    }

    static func text(_ text: String, status: Int, contentType: String) -> ServerReply {
        ServerReply(status: status, contentType: contentType, body: .bytes(Array(text.utf8)))
    }

    static let dropped = ServerReply(status: 500, contentType: "text/plain", body: .bytes([]), isDropped: true)
}

/// Percent-encoding of forms and queries, as AWS clients write and read it.
enum FormEncoding {
    static func decode(_ text: String) -> [String: String] {
        var result: [String: String] = [:]
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            result[unescape(parts[0])] = parts.count > 1 ? unescape(parts[1]) : ""
        }
        return result
    }

    static func encode(_ parameters: [String: String]) -> String {
        parameters.sorted { $0.key < $1.key }.map { escape($0.key) + "=" + escape($0.value) }.joined(separator: "&")
    }

    static func unescape(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func escape(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                result += "%" + (digits.count < 2 ? "0" : "") + digits
            }
        }
        return result
    }
}
