import Foundation

/// The identity of one job: a UUIDv7, made once by whoever enqueues and never used again.
///
/// The first 48 bits are milliseconds since 1970, so ids made later sort later and land side by side in an index.
/// Source: RFC 9562, section 5.7.
public struct JobID: Hashable, Sendable, Comparable, Codable, CustomStringConvertible {
    /// The number of bytes of an id on the wire and in a Redis list.
    public static let byteCount = 16

    /// The first eight bytes.
    public let high: UInt64
    /// The last eight bytes.
    public let low: UInt64

    /// Puts an id together from its halves.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Makes a fresh id from the given instant and random bits.
    public init(at instant: Date = Date(), using generator: inout some RandomNumberGenerator) {
        let milliseconds = UInt64(max(0, instant.timeIntervalSince1970 * 1000)) & 0xFFFF_FFFF_FFFF
        high = milliseconds << 16 | 0x7000 | UInt64.random(in: 0...0xFFF, using: &generator)
        low = 0x8000_0000_0000_0000 | UInt64.random(in: 0...0x3FFF_FFFF_FFFF_FFFF, using: &generator)
    }

    /// Makes a fresh id from the system's clock and random source.
    public init() {
        var generator = SystemRandomNumberGenerator()
        self.init(using: &generator)
    }

    /// Reads the 16 bytes that `bytes` writes; nil for any other count. Of an array: a generic reader of another module
    /// is not specialized, and thousands of ids a second are read.
    public init?(bytes: [UInt8]) {
        guard bytes.count == JobID.byteCount else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for byte in bytes[..<8] { high = high << 8 | UInt64(byte) }
        for byte in bytes[8...] { low = low << 8 | UInt64(byte) }
        self.init(high: high, low: low)
    }

    /// Reads the usual text form with hyphens, in either case; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let utf8 = text.utf8
        guard utf8.count == 36 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        var digits = 0
        for (index, byte) in utf8.enumerated() {
            if index == 8 || index == 13 || index == 18 || index == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            let value: UInt64
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = UInt64(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = UInt64(byte - UInt8(ascii: "A") + 10)
            default: return nil
            }
            if digits < 16 { high = high << 4 | value } else { low = low << 4 | value }
            digits += 1
        }
        self.init(high: high, low: low)
    }

    /// The 16 bytes, most significant first.
    public var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(JobID.byteCount)
        for half in [high, low] {
            for shift in stride(from: UInt64(56), through: 0, by: -8) { result.append(UInt8(half >> shift & 0xFF)) }
        }
        return result
    }

    /// The usual text form: 36 lower-case characters with hyphens.
    public var description: String {
        var text: [UInt8] = []
        text.reserveCapacity(36)
        let hex = Array("0123456789abcdef".utf8)
        for (index, byte) in bytes.enumerated() {
            if index == 4 || index == 6 || index == 8 || index == 10 { text.append(UInt8(ascii: "-")) }
            text.append(hex[Int(byte >> 4)])
            text.append(hex[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Orders by the bytes, as Postgres orders a `uuid`.
    public static func < (left: JobID, right: JobID) -> Bool {
        left.high != right.high ? left.high < right.high : left.low < right.low
    }

    /// Decodes the text form.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let id = JobID(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "'\(text.prefix(64))' is not a UUID")
        }
        self = id
    }

    /// Encodes the text form.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// The identity of one worker process start. A restarted process is another worker.
public typealias WorkerID = JobID
