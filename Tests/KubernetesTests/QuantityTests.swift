import Testing

@testable import Kubernetes

@Suite("Quantities")
struct QuantityTests {
    @Test(
        "are exact in thousandths",
        arguments: [
            ("100m", 100), ("0.1", 100), ("1", 1_000), ("1.5", 1_500), ("0", 0), (".5", 500), ("5.", 5_000),
            ("+2", 2_000),
            ("1u", 1), ("1n", 1), ("1500u", 2), ("0.0001", 1), ("2k", 2_000_000), ("1e-3", 1), ("1E3", 1_000_000),
            ("96", 96_000), ("0.0", 0), ("00.100", 100),
        ] as [(String, Int64)])
    func thousandths(_ text: String, _ wanted: Int64) throws {
        #expect(try Quantity(text).thousandths == wanted)
    }

    @Test(
        "are exact in units",
        arguments: [
            ("128974848", 128_974_848), ("129e6", 129_000_000), ("129M", 129_000_000), ("123Mi", 128_974_848),
            ("1.5Gi", 1_610_612_736), ("1E", 1_000_000_000_000_000_000), ("1Ei", 1_152_921_504_606_846_976),
            ("128974848000m", 128_974_848), ("1471840Ki", 1_507_164_160), ("0.5", 1), ("100m", 1), ("1.1Ki", 1_127),
            ("9223372036854775807", .max), ("9223372036854775808", .max), ("8Ei", .max), ("16Ei", .max),
            ("1e30", .max), ("1e999999999999999999999999", .max), ("0e999999999999999999999999", 0),
            ("1e-999999999999999999999999", 1), ("99999999999999999999E", .max),
        ] as [(String, Int64)])
    func units(_ text: String, _ wanted: Int64) throws {
        #expect(try Quantity(text).units == wanted)
    }

    @Test(
        "of another form are refused with the text and the form wanted",
        arguments: [
            "", " ", "1 Gi", "abc", "-1", "1.2.3", "1ki", "1K", "1Gib", "1e", "1e+", "1ee3", "1e3Ki", ".", "1e1.5", "０",
            "NaN",
            "123456789012345678901", "0x10", "1,5",
        ])
    func refused(_ text: String) {
        let error = #expect(throws: KubernetesError.self) { try Quantity(text) }
        #expect(error?.code == .malformedAnswer)
        #expect(error?.message.contains("\"\(text.prefix(64))\"") == true)
        #expect(error?.message.contains("1.5Gi") == true)
    }

    @Test("mean the same in every way of writing them")
    func sameInEveryForm() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SplitMix(state: seed)
        for _ in 0..<5_000 {
            let milli = Int64.random(in: 0...1_000_000_000_000, using: &random)
            let fraction = String(1_000 + milli % 1_000).dropFirst()
            for text in ["\(milli)m", "\(milli / 1_000).\(fraction)", "\(milli)e-3", "\(milli)000u", "\(milli)000000n"]
            {
                #expect(try Quantity(text).thousandths == milli, "\(text), seed \(seed)")
                #expect(try Quantity(text).units == (milli + 999) / 1_000, "\(text), seed \(seed)")
            }
            let kibibytes = Int64.random(in: 0...(1 << 40), using: &random)
            #expect(try Quantity("\(kibibytes)Ki").units == kibibytes * 1_024, "seed \(seed)")
            #expect(try Quantity("\(kibibytes * 1_024)").units == kibibytes * 1_024, "seed \(seed)")
        }
    }

    @Test("never trap, whatever the text")
    func neverTrap() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SplitMix(state: seed)
        let alphabet = Array("0123456789.+-eEkKMGTPimnu \u{0}é")
        for _ in 0..<20_000 {
            let text = String(
                (0..<Int.random(in: 0...24, using: &random)).compactMap { _ in alphabet.randomElement(using: &random) })
            guard let quantity = try? Quantity(text) else { continue }
            #expect(quantity.units >= 0 && quantity.thousandths >= quantity.units, "\(text), seed \(seed)")
        }
    }
}

/// A small seeded generator, so that a failure can be repeated.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
