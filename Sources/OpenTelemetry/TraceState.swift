/// What other tracers keep beside a trace's ids: `vendor=value` entries, the latest first. We add none and hand all on.
/// Source: W3C Trace Context, level 1, section 3.3 (`tracestate`), keys as level 2 has them.
public struct TraceState: Sendable, Hashable {
    /// The header's value: entries separated by commas, without blanks; never empty.
    public let text: String

    /// Entries that a list may have; a longer one is no list.
    public static let entriesMax = 32
    /// What is handed on at most, in bytes: what the standard asks of everybody. Over it, whole entries are left out:
    /// first those of more than 128 bytes, then from the end.
    public static let bytesMax = 512
    private static let longEntryBytes = 128
    /// More than any sound list weighs: not even read.
    private static let readBytesMax = 16_384

    /// Reads a header. nil: it is not of the form, or there is nothing in it.
    public init?(_ header: String) {
        guard header.utf8.count <= Self.readBytesMax else { return nil }
        var entries: [(key: Substring.UTF8View, text: Substring.UTF8View)] = []
        for part in header.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            guard let start = part.firstIndex(where: { !Self.isBlank($0) }) else { continue }
            let last = part.lastIndex { !Self.isBlank($0) } ?? start
            let entry = part[start...last]
            guard let sign = entry.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            let (key, value) = (entry[..<sign], entry[entry.index(after: sign)...])
            guard Self.isKey(key), Self.isValue(value) else { return nil }
            // A key stands for one tracer: of two entries the first is the later one.
            if !entries.contains(where: { $0.key.elementsEqual(key) }) { entries.append((key, entry)) }
        }
        guard !entries.isEmpty, entries.count <= Self.entriesMax else { return nil }
        var texts = entries.map(\.text)
        while Self.bytes(texts) > Self.bytesMax {
            texts.remove(at: texts.lastIndex { $0.count > Self.longEntryBytes } ?? texts.count - 1)
        }
        guard !texts.isEmpty else { return nil }
        text = texts.map { String(Substring($0)) }.joined(separator: ",")
    }

    private static func bytes(_ entries: [Substring.UTF8View]) -> Int {
        entries.reduce(entries.count - 1) { $0 + $1.count }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// A lower-case letter or digit, and at most 255 of letters, digits, `_-*/`; one `@` may stand before a system's name.
    private static func isKey(_ key: Substring.UTF8View) -> Bool {
        guard (1...256).contains(key.count), let first = key.first, isLetterOrDigit(first) else { return false }
        let parts = key.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
        guard parts.count <= 2, parts.allSatisfy({ $0.first.map(isLetterOrDigit) ?? false }) else { return false }
        return parts.allSatisfy { $0.allSatisfy { isLetterOrDigit($0) || "_-*/".utf8.contains($0) } }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    /// Printable ASCII without `,` and `=`, not ending in a blank (blanks at the end were taken off).
    private static func isValue(_ value: Substring.UTF8View) -> Bool {
        (1...256).contains(value.count)
            && value.allSatisfy { (0x20...0x7e).contains($0) && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "=") }
    }
}
