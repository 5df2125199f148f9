/// Reads gzip (RFC 1952) over deflate (RFC 1951) within a bound.
///
/// The bytes come from a customer's bucket: every length and distance is checked, the checksum must fit, and what would be more
/// than the bound is refused as soon as it would pass it. In Swift, since no library that may be linked here has it.
struct Gzip {
    /// What is wrong with the bytes.
    struct Malformed: Error, Equatable, CustomStringConvertible {
        let description: String

        init(_ description: String) { self.description = description }
    }

    private let input: [UInt8]
    private let bytesMax: Int
    private var position = 0
    /// Bits that were read and not yet used, the next one lowest.
    private var bits: UInt64 = 0
    private var bitCount = 0
    private var output: [UInt8] = []
    /// Where the member that is being read begins in the output: nothing is copied from before it.
    private var memberStart = 0

    private init(_ input: [UInt8], bytesMax: Int) {
        self.input = input
        self.bytesMax = bytesMax
    }

    /// Unpacks every member.
    /// - Parameter bytesMax: most bytes that it may become.
    static func unpack(_ bytes: [UInt8], bytesMax: Int) throws(Malformed) -> [UInt8] {
        var reader = Gzip(bytes, bytesMax: bytesMax)
        repeat { try reader.member() } while reader.position < bytes.count
        return reader.output
    }

    // MARK: Members

    private mutating func member() throws(Malformed) {
        guard try byte() == 0x1f, try byte() == 0x8b, try byte() == 8 else { throw Malformed("it is not gzip") }
        let flags = try byte()
        guard flags & 0xe0 == 0 else { throw Malformed("its header has unknown flags") }
        try skip(6)
        if flags & 4 != 0 { try skip(try number(bytes: 2)) }
        // Name, then comment: each ends with a zero.
        for flag in [8, 16] as [UInt8] where flags & flag != 0 { while try byte() != 0 {} }
        if flags & 2 != 0 { try skip(2) }
        memberStart = output.count
        try blocks()
        guard try number(bytes: 4) == Int(Checksum.crc32(output[memberStart...])) else {
            throw Malformed("its checksum is wrong")
        }
        guard try number(bytes: 4) == (output.count - memberStart) & 0xffff_ffff else {
            throw Malformed("its length is wrong")
        }
    }

    private mutating func byte() throws(Malformed) -> UInt8 {
        guard position < input.count else { throw Malformed("it ends too early") }
        position += 1
        return input[position - 1]
    }

    private mutating func skip(_ count: Int) throws(Malformed) {
        guard input.count - position >= count else { throw Malformed("it ends too early") }
        position += count
    }

    private mutating func number(bytes: Int) throws(Malformed) -> Int {
        var value = 0
        for index in 0..<bytes { value |= Int(try byte()) << (8 * index) }
        return value
    }

    // MARK: Bits

    private mutating func fill(_ count: Int) throws(Malformed) {
        while bitCount < count {
            bits |= UInt64(try byte()) << UInt64(bitCount)
            bitCount += 8
        }
    }

    private mutating func use(_ count: Int) {
        bits >>= UInt64(count)
        bitCount -= count
    }

    private mutating func take(_ count: Int) throws(Malformed) -> Int {
        try fill(count)
        let value = Int(bits & ((1 << UInt64(count)) - 1))
        use(count)
        return value
    }

    /// Goes on at the next whole byte that was not used.
    private mutating func align() {
        position -= bitCount / 8
        bits = 0
        bitCount = 0
    }

    // MARK: Blocks

    private mutating func blocks() throws(Malformed) {
        var isLast = false
        while !isLast {
            isLast = try take(1) == 1
            switch try take(2) {
            case 0: try stored()
            case 1: try compressed(HuffmanCode.fixedLiterals, HuffmanCode.fixedDistances)
            case 2:
                let (literals, distances) = try codes()
                try compressed(literals, distances)
            default: throw Malformed("it has a block of no known kind")
            }
        }
        align()
    }

    private func room(for count: Int) throws(Malformed) {
        guard output.count + count <= bytesMax else { throw Malformed("it unpacks to more than \(bytesMax) bytes") }
    }

    private mutating func stored() throws(Malformed) {
        align()
        let count = try number(bytes: 2)
        guard try number(bytes: 2) == count ^ 0xffff else { throw Malformed("a block's length is wrong") }
        let start = position
        try skip(count)
        try room(for: count)
        output += input[start..<start + count]
    }

    private mutating func symbol(_ code: HuffmanCode) throws(Malformed) -> Int {
        // A gzip member ends with eight more bytes: there always are as many bits as the longest code has.
        try fill(HuffmanCode.lengthMax)
        guard let (symbol, length) = code.first(in: bits) else { throw Malformed("it has a code that was not told") }
        use(length)
        return symbol
    }

    private mutating func compressed(_ literals: HuffmanCode, _ distances: HuffmanCode) throws(Malformed) {
        while true {
            let word = try symbol(literals)
            if word < 256 {
                try room(for: 1)
                output.append(UInt8(word))
                continue
            }
            if word == 256 { return }
            guard word - 257 < HuffmanCode.lengthBases.count else {
                throw Malformed("it has a length of no known kind")
            }
            let count = HuffmanCode.lengthBases[word - 257] + (try take(HuffmanCode.lengthExtras[word - 257]))
            let far = try symbol(distances)
            guard far < HuffmanCode.distanceBases.count else { throw Malformed("it has a distance of no known kind") }
            let distance = HuffmanCode.distanceBases[far] + (try take(HuffmanCode.distanceExtras[far]))
            guard distance <= output.count - memberStart else { throw Malformed("it repeats what was not there") }
            try room(for: count)
            // Byte by byte: what is repeated may be what is being written.
            for _ in 0..<count { output.append(output[output.count - distance]) }
        }
    }

    /// The two codes of a block that brings its own.
    private mutating func codes() throws(Malformed) -> (HuffmanCode, HuffmanCode) {
        let literals = try take(5) + 257
        let distances = try take(5) + 1
        let count = try take(4) + 4
        guard literals <= 286, distances <= 30 else { throw Malformed("it tells of too many codes") }
        var lengths = [Int](repeating: 0, count: 19)
        for place in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15].prefix(count) {
            lengths[place] = try take(3)
        }
        let code = try HuffmanCode(lengths, mayHaveGaps: false)
        lengths = []
        while lengths.count < literals + distances {
            let word = try symbol(code)
            switch word {
            case 16:
                guard let last = lengths.last else { throw Malformed("it repeats what was not there") }
                lengths += Array(repeating: last, count: 3 + (try take(2)))
            case 17: lengths += Array(repeating: 0, count: 3 + (try take(3)))
            case 18: lengths += Array(repeating: 0, count: 11 + (try take(7)))
            default: lengths.append(word)
            }
        }
        guard lengths.count == literals + distances, lengths[256] > 0 else {
            throw Malformed("the lengths of its codes do not fit")
        }
        return (
            try HuffmanCode(Array(lengths[..<literals]), mayHaveGaps: true),
            try HuffmanCode(Array(lengths[literals...]), mayHaveGaps: true)
        )
    }
}

/// A canonical prefix code of deflate.
struct HuffmanCode: Sendable {
    /// Bits of the longest code.
    static let lengthMax = 15
    private static let shortBits = 9

    static let lengthBases = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
        258,
    ]
    static let lengthExtras = [
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
    ]
    static let distanceBases = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
        6145,
        8193, 12289, 16385, 24577,
    ]
    static let distanceExtras = [
        0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
    ]
    static let fixedLiterals = HuffmanCode(
        lengths: (0..<288).map { $0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8 })
    static let fixedDistances = HuffmanCode(lengths: Array(repeating: 5, count: 30))

    /// How many codes have this many bits.
    private var counts = [Int](repeating: 0, count: HuffmanCode.lengthMax + 1)
    /// Symbols by length, then by value.
    private var symbols: [Int] = []
    /// By the next nine bits: the symbol and, in the lowest four, its code's length; 0: its code is longer.
    private var short = [UInt16](repeating: 0, count: 1 << HuffmanCode.shortBits)

    /// Makes the code.
    /// - Parameters:
    ///   - lengths: of each symbol's code, 0 where it has none.
    ///   - mayHaveGaps: whether one code of one bit, or none, is enough.
    init(_ lengths: [Int], mayHaveGaps: Bool) throws(Gzip.Malformed) {
        self.init(lengths: lengths)
        var left = 1
        for length in 1...HuffmanCode.lengthMax {
            left = left * 2 - counts[length]
            guard left >= 0 else { throw Gzip.Malformed("it has more codes than there can be") }
        }
        guard left == 0 || mayHaveGaps && symbols.count == counts[1] else {
            throw Gzip.Malformed("its codes leave gaps")
        }
    }

    private init(lengths: [Int]) {
        for length in lengths where length > 0 { counts[length] += 1 }
        var code = 0
        for length in 1...HuffmanCode.lengthMax {
            code <<= 1
            for (symbol, own) in lengths.enumerated() where own == length {
                symbols.append(symbol)
                if length <= HuffmanCode.shortBits, code < 1 << length { note(symbol, code: code, length: length) }
                code += 1
            }
        }
    }

    /// Bits come lowest first, codes highest first.
    private mutating func note(_ symbol: Int, code: Int, length: Int) {
        let start = (0..<length).reduce(0) { $0 | (code >> $1 & 1) << (length - 1 - $1) }
        for place in stride(from: start, to: short.count, by: 1 << length) {
            short[place] = UInt16(symbol << 4 | length)
        }
    }

    /// The symbol whose code the bits begin with, and that code's length; nil: there is none.
    func first(in bits: UInt64) -> (symbol: Int, length: Int)? {
        let entry = Int(short[Int(bits & UInt64(short.count - 1))])
        if entry != 0 { return (entry >> 4, entry & 15) }
        var code = 0
        var first = 0
        var index = 0
        for length in 1...HuffmanCode.lengthMax {
            code |= Int(bits >> UInt64(length - 1) & 1)
            let count = counts[length]
            if code - first < count { return (symbols[index + code - first], length) }
            index += count
            first = (first + count) << 1
            code <<= 1
        }
        return nil
    }
}

/// The checksum of gzip.
enum Checksum {
    private static let table: [UInt32] = (0..<256).map { number in
        (0..<8).reduce(UInt32(number)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xedb8_8320 : value >> 1 }
    }

    static func crc32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        let table = table
        return ~bytes.reduce(~UInt32(0)) { $0 >> 8 ^ table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] }
    }
}
