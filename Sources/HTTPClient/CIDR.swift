import Foundation

/// An IPv4 or IPv6 address; IPv4 inside IPv6 (`::ffff:10.0.0.1`) is held as IPv4.
struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16 bytes, network order.
    let bytes: [UInt8]

    init?(bytes: [UInt8]) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.bytes = IPAddress.embedded(bytes) ?? bytes
    }

    init?(_ text: String) {
        var four = in_addr()
        var six = in6_addr()
        // The address forms of inet_pton are strict: no octal, no short forms. A zone ("%eth0") is cut off.
        let plain = String(text.prefix { $0 != "%" })
        if unsafe inet_pton(AF_INET, plain, &four) == 1 {
            self.init(bytes: unsafe withUnsafeBytes(of: &four) { unsafe Array($0) })
        } else if unsafe inet_pton(AF_INET6, plain, &six) == 1 {
            self.init(bytes: unsafe withUnsafeBytes(of: &six) { unsafe Array($0) })
        } else {
            return nil
        }
    }

    /// The IPv4 address that a v4-mapped, v4-compatible, NAT64 (RFC 6052) or 6to4 (RFC 3056) address leads to.
    private static func embedded(_ bytes: [UInt8]) -> [UInt8]? {
        guard bytes.count == 16 else { return nil }
        let head = Array(bytes[0..<12])
        let tail = Array(bytes[12..<16])
        let zeros = [UInt8](repeating: 0, count: 10)
        if head == zeros + [0xff, 0xff] { return tail }
        if head == [0x00, 0x64, 0xff, 0x9b] + zeros[0..<8] { return tail }
        if head == zeros + [0, 0], tail[0] != 0 { return tail }
        if bytes[0] == 0x20, bytes[1] == 0x02 { return Array(bytes[2..<6]) }
        return nil
    }

    var description: String {
        if bytes.count == 4 { return bytes.map(String.init).joined(separator: ".") }
        let groups = stride(from: 0, to: 16, by: 2).map { Int(bytes[$0]) << 8 | Int(bytes[$0 + 1]) }
        return groups.map { String($0, radix: 16) }.joined(separator: ":")
    }
}

/// A range of addresses, `10.0.0.0/8` or `fd00::/8`; an address without `/` is a range of one.
public struct CIDR: Sendable, Hashable, CustomStringConvertible {
    /// What is wrong with a text that should be a range.
    public struct Malformed: Error, Sendable, CustomStringConvertible {
        /// The text found and the form wanted.
        public let description: String
    }

    private let network: IPAddress
    private let prefix: Int

    /// Parses a range. Bits after the prefix must be zero, so that a slip of the pen is not silently wider.
    /// - Throws: `Malformed`, with the text found and the form wanted.
    public init(_ text: String) throws {
        let wanted = "wanted an address range such as 10.0.0.0/8 or fd00::/8"
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let first = parts.first, let address = IPAddress(String(first)) else {
            throw Malformed(description: "\"\(text)\" is no address range: \(wanted)")
        }
        let bits = address.bytes.count * 8
        var prefix = bits
        if parts.count == 2 {
            guard parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(parts[1]), number <= bits
            else {
                throw Malformed(description: "\"\(text)\" has no prefix length from 0 to \(bits): \(wanted)")
            }
            prefix = number
        }
        let network = CIDR.masked(address.bytes, prefix)
        guard network == address.bytes else {
            let start = IPAddress(bytes: network)?.description ?? text
            throw Malformed(description: "\"\(text)\" has bits set after the prefix: meant \(start)/\(prefix)?")
        }
        self.network = address
        self.prefix = prefix
    }

    /// Parses ranges separated by commas or white space; an empty text is an empty list.
    /// - Throws: `Malformed`, for the first range that is wrong.
    public static func list(_ text: String) throws -> [CIDR] {
        try text.split { $0 == "," || $0.isWhitespace }.map { try CIDR(String($0)) }
    }

    func contains(_ address: IPAddress) -> Bool {
        address.bytes.count == network.bytes.count && CIDR.masked(address.bytes, prefix) == network.bytes
    }

    private static func masked(_ bytes: [UInt8], _ prefix: Int) -> [UInt8] {
        bytes.enumerated().map { index, byte in
            let kept = min(8, max(0, prefix - index * 8))
            return kept == 0 ? 0 : byte & (0xff << (8 - kept))
        }
    }

    /// The text form.
    public var description: String { "\(network)/\(prefix)" }
}
