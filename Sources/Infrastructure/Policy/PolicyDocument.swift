import Foundation

extension ClusterPolicy {
    /// Reads a stored document: JSON with names in snake_case. What it does not name has its default.
    /// - Throws: `DecodingError` naming the field that does not fit.
    public init(document: String) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(ClusterPolicy.self, from: Data(document.utf8))
    }

    /// The policy as JSON with every field, names in snake_case and sorted: equal policies give equal text.
    /// - Throws: `EncodingError` for numbers that are none; `problems` finds them first.
    public func document() throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
