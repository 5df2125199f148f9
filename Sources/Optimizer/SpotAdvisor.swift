import Infrastructure

/// How often spot instances of a type are interrupted in a region, by AWS's public Spot Advisor.
public struct SpotAdvisor: Sendable {
    /// What it says of one type in one region; the shipped data's savings are 0 to 99, rounded down to an even number.
    public typealias Advice = SpotAdvice

    /// The data shipped with the program, of 2025-06-28.
    public static let shipped = SpotAdvisor(types: spotAdvisorTypesText, regions: spotAdvisorText)

    private let indexes: [String: Int]
    private let regions: [String: [UInt8]]

    init(types: String, regions: String) {
        var indexes: [String: Int] = [:]
        for line in types.split(separator: "\n") {
            let words = line.split(separator: " ")
            for size in words.dropFirst() { indexes["\(words[0]).\(size)"] = indexes.count }
        }
        self.indexes = indexes
        self.regions = Dictionary(
            regions.split(separator: "\n").compactMap { line -> (String, [UInt8])? in
                let words = line.split(separator: " ")
                return words.count == 2 ? (String(words[0]), Array(words[1].utf8)) : nil
            }, uniquingKeysWith: { first, _ in first })
    }

    /// What is known of a type in a region; nil: nothing.
    public func advice(type: String, region: String) -> Advice? {
        guard let index = indexes[type], let text = regions[region], text.count >= 2 * index + 2 else { return nil }
        let range = text[2 * index]
        let letter = text[2 * index + 1]
        guard (UInt8(ascii: "0")...UInt8(ascii: "4")).contains(range) else { return nil }
        let half = letter >= UInt8(ascii: "a") ? letter - UInt8(ascii: "a") + 26 : letter - UInt8(ascii: "A")
        return Advice(range: Int(range - UInt8(ascii: "0")), savingPercent: Int(half) * 2)
    }
}
