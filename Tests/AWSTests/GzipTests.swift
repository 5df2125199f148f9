import Foundation
import Processes
import Testing

@testable import AWS

/// The reader of gzip against Python's zlib: what that packs is read, and what was damaged is refused.
@Suite("Gzip")
struct GzipTests {
    /// What Python's zlib makes of it.
    /// - Parameters:
    ///   - level: 0 stores, 9 packs best.
    ///   - strategy: 0 as zlib chooses, 4 with the fixed codes.
    static func packed(_ bytes: [UInt8], level: Int = 6, strategy: Int = 0) throws -> [UInt8] {
        let script = """
            import sys, zlib
            data = sys.stdin.buffer.read()
            packer = zlib.compressobj(\(level), zlib.DEFLATED, 31, 9, \(strategy))
            sys.stdout.buffer.write(packer.compress(data) + packer.flush())
            """
        let (status, output) = try ChildProcess.run(["python3", "-c", script], input: bytes, together: false)
        try #require(status == 0)
        return output
    }

    /// Lines as flow logs have them: much is alike, nothing is the same.
    static let text: [UInt8] = {
        var random = SplitMix(seed: 7)
        let lines = (0..<400).map { number in
            "2 123456789012 eni-\(random.next() % 64) 10.0.\(random.next() % 8).\(random.next() % 256) 10.0.1.9 "
                + "\(random.next() % 65_536) 443 6 \(random.next() % 100) \(random.next() % 1_000_000) \(1_700_000_000 + number) OK"
        }
        return Array(lines.joined(separator: "\n").utf8)
    }()

    static let noise: [UInt8] = {
        var random = SplitMix(seed: 11)
        return (0..<40_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }()

    @Test("what zlib packs at any level is read", arguments: [0, 1, 6, 9], [0, 2, 3, 4])
    func reads(level: Int, strategy: Int) throws {
        let mixed = Array(GzipTests.noise.prefix(20_000)) + GzipTests.text + Array(GzipTests.noise.prefix(20_000))
        let samples: [[UInt8]] = [
            [], [65], Array(repeating: 97, count: 70_000), GzipTests.text, GzipTests.noise, mixed,
        ]
        for sample in samples {
            let packed = try GzipTests.packed(sample, level: level, strategy: strategy)
            #expect(try Gzip.unpack(packed, bytesMax: sample.count) == sample)
        }
    }

    @Test(
        "several members follow each other, and a header may have a name, a comment, extras and a checksum of its own")
    func members() throws {
        let first = try GzipTests.packed(Array("one\n".utf8))
        let second = try GzipTests.packed(Array("two\n".utf8))
        #expect(try Gzip.unpack(first + second, bytesMax: 100) == Array("one\ntwo\n".utf8))
        let header: [UInt8] = [0x1f, 0x8b, 8, 0x1e, 0, 0, 0, 0, 0, 3, 2, 0, 9, 9, 97, 0, 98, 0, 1, 2]
        #expect(try Gzip.unpack(header + first.dropFirst(10), bytesMax: 100) == Array("one\n".utf8))
    }

    @Test("what would be more than the bound is refused, however little it is packed")
    func bounded() throws {
        let bomb = try GzipTests.packed([UInt8](repeating: 0, count: 5_000_000), level: 9)
        #expect(bomb.count < 10_000)
        let refusal = #expect(throws: Gzip.Malformed.self) { try Gzip.unpack(bomb, bytesMax: 1_000_000) }
        #expect(refusal?.description == "it unpacks to more than 1000000 bytes")
        #expect(throws: Gzip.Malformed.self) { try Gzip.unpack(bomb, bytesMax: 4_999_999) }
        #expect(try Gzip.unpack(bomb, bytesMax: 5_000_000).count == 5_000_000)
    }

    @Test("whatever is cut off, no matter where, is refused")
    func cut() throws {
        let packed = try GzipTests.packed(Array(GzipTests.text.prefix(1_500)))
        for count in 0..<packed.count {
            #expect(throws: Gzip.Malformed.self) { try Gzip.unpack(Array(packed[..<count]), bytesMax: 1 << 20) }
        }
        #expect(throws: Gzip.Malformed("it is not gzip")) { try Gzip.unpack(packed + [0, 0], bytesMax: 1 << 20) }
    }

    @Test("a bit that was turned is refused, or is one of the header that says nothing")
    func turned() throws {
        let text = Array(GzipTests.text.prefix(700))
        for (level, strategy) in [(0, 0), (6, 0), (6, 4)] {
            let packed = try GzipTests.packed(text, level: level, strategy: strategy)
            for place in 0..<packed.count {
                for bit in 0..<8 {
                    var damaged = packed
                    damaged[place] ^= 1 << UInt8(bit)
                    guard let read = try? Gzip.unpack(damaged, bytesMax: 1 << 20) else { continue }  // refused
                    // The flag of text, the time, and the two bytes that tell who packed it; deflate pads with free bits.
                    #expect(read == text, "byte \(place), bit \(bit)")
                }
            }
        }
    }

    @Test("any bytes end in an answer")
    func anything() {
        var random = SplitMix(seed: 3)
        for _ in 0..<1_000 {
            let head: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]
            let body = (0..<Int(random.next() % 200)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            #expect(throws: Gzip.Malformed.self) { try Gzip.unpack(head + body, bytesMax: 1 << 16) }
        }
    }

    private struct SplitMix {
        var state: UInt64

        init(seed: UInt64) { state = seed }

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var word = state
            word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
            word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
            return word ^ word >> 31
        }
    }
}
