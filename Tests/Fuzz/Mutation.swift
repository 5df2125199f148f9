/// Changes an input as fuzzers do: bits, bytes, pieces of other inputs, words that parsers trip over. The same seed makes
/// the same changes.
struct Mutation {
    private var random: SplitMix

    /// Larger inputs are cut.
    static let bytesMax = 16_384

    private static let words: [String] = [
        "-1", "0", "9223372036854775807", "9223372036854775808", "1e999", "1e-999", "0x7f", "NaN", "null", "true", "{}",
        "[]",
        "{", "[", "\"", "\\u0000", "\\ud800", "&a", "*a", "<<: *a", "!!binary", "${A:-b}", "*/0", "L", "60-1", "\u{0}",
        "\u{FEFF}",
        "<![CDATA[", "&#x10FFFF;", "</item>", "*-1\r\n", "$-1\r\n", "*2147483647\r\n", "{NULL,\"\\\"\"}", "infinity",
        "+24:00",
    ]

    init(seed: UInt64) { random = SplitMix(state: seed) }

    mutating func mutated(_ input: [UInt8], with other: [UInt8]) -> [UInt8] {
        var bytes = input
        for _ in 0..<(1 + random.below(4)) { change(&bytes, other) }
        return Array(bytes.prefix(Mutation.bytesMax))
    }

    private mutating func change(_ bytes: inout [UInt8], _ other: [UInt8]) {
        let place = random.below(bytes.count + 1)
        switch random.below(8) {
        case 0 where place < bytes.count: bytes[place] ^= 1 << UInt8(random.below(8))
        case 1 where place < bytes.count: bytes[place] = UInt8(random.below(256))
        case 2: bytes.insert(UInt8(random.below(256)), at: place)
        case 3: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random.below(16)))
        case 4: bytes.insert(contentsOf: piece(of: bytes), at: place)
        case 5: bytes.insert(contentsOf: piece(of: other), at: place)
        case 6: bytes.replaceSubrange(place..<min(bytes.count, place + random.below(8)), with: word())
        default: bytes.insert(contentsOf: word(), at: place)
        }
    }

    private mutating func word() -> [UInt8] { Array(Mutation.words[random.below(Mutation.words.count)].utf8) }

    private mutating func piece(of bytes: [UInt8]) -> ArraySlice<UInt8> {
        let start = random.below(bytes.count + 1)
        return bytes[start..<min(bytes.count, start + random.below(64))]
    }
}

/// Sebastiano Vigna's splitmix64.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// In 0..<bound, or 0 for none.
    mutating func below(_ bound: Int) -> Int { bound < 2 ? 0 : Int(next() % UInt64(bound)) }
}
