import Foundation

/// Kubernetes quantities ("250m", "512Mi", "2", "1e3", "1.5Gi").
enum Quantity {
    private static let suffixes: [(String, Double)] = [
        ("Ki", 1024), ("Mi", 1_048_576), ("Gi", 1_073_741_824), ("Ti", 1_099_511_627_776),
        ("Pi", 1_125_899_906_842_624),
        ("n", 1e-9), ("u", 1e-6), ("m", 1e-3), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15),
    ]

    /// The number in base units; nil for a text that is no quantity.
    static func value(_ quantity: JSONValue) -> Double? {
        if let number = quantity.double { return number }
        guard let text = quantity.string else { return nil }
        for (suffix, factor) in suffixes where text.hasSuffix(suffix) {
            return Double(text.dropLast(suffix.count)).map { $0 * factor }
        }
        return Double(text)
    }

    /// CPU in thousandths of a core, rounded up.
    static func milli(_ quantity: JSONValue) -> Int { Int(((value(quantity) ?? 0) * 1000).rounded(.up)) }

    /// Bytes (or a plain count), rounded up.
    static func whole(_ quantity: JSONValue) -> Int { Int((value(quantity) ?? 0).rounded(.up)) }
}
