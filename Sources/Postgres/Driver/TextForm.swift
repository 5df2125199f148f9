import JobQueue

/// Readers of Postgres' text forms; nil means the text has another form.
enum TextForm {
    static func int(_ text: some Collection<UInt8>) -> Int64? {
        let negative = text.first == UInt8(ascii: "-")
        let digits = negative ? text.dropFirst() : text.dropFirst(0)
        if digits.isEmpty { return nil }
        var value: Int64 = 0
        for byte in digits {
            guard (48...57).contains(byte) else { return nil }
            let (scaled, tooLarge) = value.multipliedReportingOverflow(by: 10)
            // Counted downwards, for the smallest number has no positive twin.
            let (next, overflow) = scaled.subtractingReportingOverflow(Int64(byte - 48))
            if tooLarge || overflow { return nil }
            value = next
        }
        if negative { return value }
        return value == Int64.min ? nil : -value
    }

    static func double(_ text: some Collection<UInt8>) -> Double? {
        Double(String(decoding: text, as: UTF8.self))
    }

    static func bool(_ text: some Collection<UInt8>) -> Bool? {
        guard text.count == 1 else { return nil }
        switch text.first {
        case UInt8(ascii: "t"): return true
        case UInt8(ascii: "f"): return false
        default: return nil
        }
    }

    static func uuid(_ text: some Collection<UInt8>) -> JobID? {
        guard text.count == 36 else { return nil }
        // By bytes: JobID's own reader of text is generic over another module's strings, and seven times slower.
        var (high, low): (UInt64, UInt64) = (0, 0)
        var digits = 0
        for byte in text where byte != UInt8(ascii: "-") {
            guard let digit = hexDigit(byte) else { return nil }
            if digits < 16 { high = high << 4 | UInt64(digit) } else { low = low << 4 | UInt64(digit) }
            digits += 1
        }
        return digits == 2 * JobID.byteCount ? JobID(high: high, low: low) : nil
    }

    /// `\x` and two hexadecimal digits a byte.
    static func bytes(_ text: some Collection<UInt8>) -> [UInt8]? {
        guard text.count % 2 == 0, text.starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "x")]) else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(text.count / 2 - 1)
        var high: UInt8?
        for byte in text.dropFirst(2) {
            guard let digit = hexDigit(byte) else { return nil }
            if let known = high {
                result.append(known << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        return result
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 48...57: byte - 48
        case 97...102: byte - 87
        default: nil
        }
    }

    /// `{a,"b \"quoted\"",NULL}`; nil for more than one dimension or other bounds.
    static func array(_ text: some Collection<UInt8>) -> [String?]? {
        guard text.count >= 2, text.first == UInt8(ascii: "{") else { return nil }
        var items: [String?] = []
        var item: [UInt8] = []
        var quoted = false
        var wasQuoted = false
        var escaped = false
        var closed = false
        for byte in text.dropFirst() {
            if closed { return nil }
            if escaped {
                item.append(byte)
                escaped = false
                continue
            }
            switch byte {
            case UInt8(ascii: "\\"): escaped = true
            case UInt8(ascii: "\""):
                quoted.toggle()
                wasQuoted = true
            case _ where quoted: item.append(byte)
            case UInt8(ascii: "{"): return nil
            case UInt8(ascii: ","), UInt8(ascii: "}"):
                closed = byte == UInt8(ascii: "}")
                if closed, items.isEmpty, item.isEmpty, !wasQuoted { break }
                let text = String(decoding: item, as: UTF8.self)
                items.append(!wasQuoted && text == "NULL" ? nil : text)
                item = []
                wasQuoted = false
            default: item.append(byte)
            }
        }
        return closed ? items : nil
    }
}
