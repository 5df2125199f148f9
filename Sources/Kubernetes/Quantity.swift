/// An exact Kubernetes quantity ("100m", "1.5Gi", "129e6"): `digits` times 10 to `tens` times 2 to `twos`.
///
/// The rules are those of `k8s.io/apimachinery` resource.Quantity: a number finer than the unit asked for is rounded up, a
/// number above 2^63-1 is capped there. Negative quantities have no meaning for a request or a capacity and are refused.
public struct Quantity: Sendable, Equatable {
    private var digits: UInt128
    private var tens: Int
    private var twos: Int

    /// No more than this many significant digits: what 2^63-1 needs, and one more. The API server writes no longer ones.
    private static let significantDigitsMax = 20
    /// Beyond this power of ten every quantity is capped (or below one unit), so that larger exponents need no arithmetic.
    private static let exponentMax = 1_000

    /// Reads a quantity.
    /// - Throws: `KubernetesError` with code `.malformedAnswer`, whose message names the text found and the form wanted.
    public init(_ text: String) throws {
        guard let parsed = Quantity.parse(text) else {
            throw KubernetesError(
                .malformedAnswer,
                "\"\(text.prefix(64))\" is not a Kubernetes quantity; wanted a non-negative number of at most "
                    + "\(Quantity.significantDigitsMax) digits, such as 100m, 0.5, 1.5Gi or 129e6")
        }
        self = parsed
    }

    private init(digits: UInt128, tens: Int, twos: Int) {
        self.digits = digits
        self.tens = tens
        self.twos = twos
    }

    /// Whole units (bytes, pods, devices), rounded up and capped at 2^63-1.
    public var units: Int64 { rounded(tens) }
    /// Thousandths (milli-CPU), rounded up and capped at 2^63-1.
    public var thousandths: Int64 { rounded(tens + 3) }

    private func rounded(_ exponent: Int) -> Int64 {
        if digits == 0 { return 0 }
        // 20 digits times 2^60 is below 10^39, so below 2^128 as well: this product is exact.
        let scaled = digits << UInt128(twos)
        if exponent >= 0 {
            var value = scaled
            for _ in 0..<min(exponent, 40) {
                let (product, overflow) = value.multipliedReportingOverflow(by: 10)
                if overflow { return .max }
                value = product
            }
            return Int64(clamping: value)
        }
        if -exponent > 38 { return 1 }
        let divisor = (0..<(-exponent)).reduce(UInt128(1)) { power, _ in power * 10 }
        let (quotient, remainder) = scaled.quotientAndRemainder(dividingBy: divisor)
        return Int64(clamping: remainder == 0 ? quotient : quotient + 1)
    }

    private static func parse(_ text: String) -> Quantity? {
        var rest = Substring(text)
        if rest.first == "+" { rest.removeFirst() }
        let number = rest.prefix { $0 == "." || ("0"..."9").contains($0) && $0.isASCII }
        let suffix = rest[number.endIndex...]
        let parts = number.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count <= 2, number.contains(where: { $0 != "." }) else { return nil }
        let fraction = parts.count == 2 ? parts[1] : ""
        let all = (String(parts[0]) + fraction).drop { $0 == "0" }
        guard all.count <= significantDigitsMax, number.count <= 256 else { return nil }
        guard let digits = all.isEmpty ? 0 : UInt128(all), let scale = scale(of: suffix) else { return nil }
        return Quantity(digits: digits, tens: scale.tens - fraction.count, twos: scale.twos)
    }

    private static func scale(of suffix: Substring) -> (tens: Int, twos: Int)? {
        switch suffix {
        case "": (0, 0)
        case "n": (-9, 0)
        case "u": (-6, 0)
        case "m": (-3, 0)
        case "k": (3, 0)
        case "M": (6, 0)
        case "G": (9, 0)
        case "T": (12, 0)
        case "P": (15, 0)
        case "E": (18, 0)
        case "Ki": (0, 10)
        case "Mi": (0, 20)
        case "Gi": (0, 30)
        case "Ti": (0, 40)
        case "Pi": (0, 50)
        case "Ei": (0, 60)
        default: exponent(suffix).map { ($0, 0) }
        }
    }

    /// `e3`, `E+3`, `e-3`; a huge exponent is cut to one that means the same (capped, or below one unit).
    private static func exponent(_ suffix: Substring) -> Int? {
        guard let first = suffix.first, first == "e" || first == "E" else { return nil }
        var digits = suffix.dropFirst()
        let negative = digits.first == "-"
        if negative || digits.first == "+" { digits.removeFirst() }
        guard !digits.isEmpty, digits.count <= 64, digits.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        let value = min(Int(digits) ?? exponentMax, exponentMax)
        return negative ? -value : value
    }
}

extension Quantity: Decodable {
    /// Kubernetes writes quantities as strings, and accepts bare numbers in manifests; both are read.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text: String
        do {
            text = try container.decode(String.self)
        } catch DecodingError.typeMismatch {
            text = String(try container.decode(Int64.self))
        }
        guard let parsed = Quantity.parse(text) else {
            // The text stays out of it: this error is logged, and a field may hold anything.
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a Kubernetes quantity")
        }
        self = parsed
    }
}
