import CHiredis

/// One reply of the server (RESP2).
public enum RedisReply: Sendable, Hashable {
    /// A short word such as OK.
    case status(String)
    /// The server's refusal of one command.
    case error(String)
    /// A number.
    case integer(Int64)
    /// Bytes.
    case bytes([UInt8])
    /// Nothing, also for a list that was not there.
    case null
    /// A list of replies.
    case array([RedisReply])

    /// Text of a status or of bytes; nil for everything else.
    public var text: String? {
        switch self {
        case .status(let text): text
        case .bytes(let bytes): String(decoding: bytes, as: UTF8.self)
        case .error, .integer, .null, .array: nil
        }
    }
}

/// Turns received bytes into replies with hiredis' parser. For use on one thread at a time.
@safe
final class ReplyReader {
    /// Why the bytes are no Redis replies.
    struct Malformed: Error { let reason: String }

    private let reader: UnsafeMutablePointer<redisReader>
    private var frames = ReplyFrames()

    init?() {
        guard let reader = unsafe redisReaderCreate() else { return nil }
        unsafe self.reader = unsafe reader
    }

    deinit { unsafe redisReaderFree(reader) }

    func feed(_ bytes: UnsafeRawBufferPointer) throws {
        try unsafe frames.follow(bytes)
        let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
        guard unsafe redisReaderFeed(reader, start, bytes.count) == REDIS_OK else { throw malformed() }
    }

    /// The next complete reply; nil when more bytes are needed.
    func next() throws -> RedisReply? {
        var object: UnsafeMutableRawPointer?
        guard unsafe redisReaderGetReply(reader, &object) == REDIS_OK else { throw malformed() }
        guard let object = unsafe object else { return nil }
        defer { unsafe freeReplyObject(object) }
        return unsafe ReplyReader.copy(object.assumingMemoryBound(to: redisReply.self))
    }

    private func malformed() -> Malformed {
        Malformed(reason: unsafe swift_redis_reader_error(reader).map { unsafe String(cString: $0) } ?? "unreadable")
    }

    private static func copy(_ reply: UnsafePointer<redisReply>) -> RedisReply {
        let length = Int(unsafe reply.pointee.len)
        let bytes = unsafe UnsafeRawBufferPointer(
            start: reply.pointee.str, count: reply.pointee.str == nil ? 0 : length)
        switch unsafe reply.pointee.type {
        case REDIS_REPLY_STATUS: return .status(unsafe String(decoding: bytes, as: UTF8.self))
        case REDIS_REPLY_ERROR: return .error(unsafe String(decoding: bytes, as: UTF8.self))
        case REDIS_REPLY_INTEGER: return .integer(unsafe reply.pointee.integer)
        case REDIS_REPLY_STRING: return .bytes(unsafe Array(bytes))
        case REDIS_REPLY_ARRAY:
            let count = Int(unsafe reply.pointee.elements)
            let children = unsafe UnsafeBufferPointer(start: reply.pointee.element, count: count)
            return .array(unsafe children.compactMap { child in unsafe child.map { unsafe copy($0) } })
        default: return .null
        }
    }
}

/// Commands in the server's form.
enum RESP {
    /// Appends one command: the count of its arguments, then each with its length.
    static func append(_ arguments: [[UInt8]], to buffer: inout [UInt8]) {
        appendLine("*", arguments.count, to: &buffer)
        for argument in arguments {
            appendLine("$", argument.count, to: &buffer)
            buffer.append(contentsOf: argument)
            buffer.append(contentsOf: [13, 10])
        }
    }

    private static func appendLine(_ kind: Unicode.Scalar, _ number: Int, to buffer: inout [UInt8]) {
        buffer.append(UInt8(ascii: kind))
        buffer.append(contentsOf: String(number).utf8)
        buffer.append(contentsOf: [13, 10])
    }
}
