/// Follows the frames of RESP2 in what is received, and stops a list that announces more entries than anybody here asks
/// for: hiredis reserves room for all of them at once, and 13 bytes can announce 16 GiB.
struct ReplyFrames {
    /// Entries of one list.
    static let entriesMax = 1_000_000
    /// Bytes of one text.
    static let bytesMax = 1 << 30

    private enum State {
        /// The next byte says what comes.
        case kind
        /// The length of a list or of a text.
        case length(isList: Bool, value: Int, isNegative: Bool)
        /// A status, an error or a number, up to the end of its line.
        case line
        /// So many bytes of a text and of the line's end after it are still to come.
        case text(left: Int)
    }

    private var state = State.kind

    /// Takes what was received next.
    /// - Throws: `ReplyReader.Malformed`.
    mutating func follow(_ bytes: UnsafeRawBufferPointer) throws {
        var place = 0
        while place < bytes.count {
            if case .text(let left) = state {
                let step = min(left, bytes.count - place)
                place += step
                state = step == left ? .kind : .text(left: left - step)
            } else {
                try follow(unsafe bytes[place])
                place += 1
            }
        }
    }

    private mutating func follow(_ byte: UInt8) throws {
        switch state {
        case .kind:
            let isList = byte == UInt8(ascii: "*")
            let isText = byte == UInt8(ascii: "$")
            state = isList || isText ? .length(isList: isList, value: 0, isNegative: false) : .line
        case .line:
            if byte == UInt8(ascii: "\n") { state = .kind }
        case .length(let isList, let value, let isNegative):
            switch byte {
            case UInt8(ascii: "\n"): state = isList || isNegative ? .kind : .text(left: value + 2)
            case UInt8(ascii: "-"): state = .length(isList: isList, value: value, isNegative: true)
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                let next = value * 10 + Int(byte - UInt8(ascii: "0"))
                let most = isList ? ReplyFrames.entriesMax : ReplyFrames.bytesMax
                guard next <= most else {
                    throw ReplyReader.Malformed(reason: "a \(isList ? "list" : "text") of more than \(most)")
                }
                state = .length(isList: isList, value: next, isNegative: isNegative)
            default: break  // the line's end, or what hiredis refuses
            }
        case .text: break  // taken as a whole above
        }
    }
}
