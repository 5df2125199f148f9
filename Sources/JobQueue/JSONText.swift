import Foundation

/// A JSON document as text. The queue stores and hands it on without looking inside.
public struct JSONText: Hashable, Sendable, CustomStringConvertible {
    /// The document in UTF-8 text.
    public let text: String

    /// Takes text that is known to be a JSON document: the ledger checks it again.
    public init(text: String) { self.text = text }

    /// The empty object, `{}`.
    public static let emptyObject = JSONText(text: "{}")

    /// Encodes a value with sorted keys, so that equal values give equal text.
    /// - Throws: `QueueError` with code `invalid` when the value cannot be encoded (NaN, for instance).
    public init(encoding value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        do {
            text = String(decoding: try encoder.encode(value), as: UTF8.self)
        } catch {
            throw QueueError(.invalid, "cannot write \(type(of: value)) as JSON", underlying: error)
        }
    }

    /// Decodes a value.
    /// - Throws: `QueueError` with code `invalid` naming the field that did not fit.
    public func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        do {
            return try decoder.decode(type, from: Data(text.utf8))
        } catch DecodingError.dataCorrupted(let context) where context.codingPath.isEmpty {
            // Foundation says "not valid JSON", without a place, also of a fraction where a whole number is wanted.
            _ = try JSONValue(parsing: text)
            throw QueueError(.invalid, "JSON does not fit \(type): a number is not of the type that is wanted there")
        } catch let error as DecodingError {
            throw QueueError(.invalid, "JSON does not fit \(type): \(JSONText.explain(error))", underlying: error)
        } catch {
            throw QueueError(.invalid, "not a JSON document: \(text.prefix(80))", underlying: error)
        }
    }

    /// The text itself.
    public var description: String { text }

    /// One line that says which field was wrong and why.
    public static func explain(_ error: DecodingError) -> String {
        func path(_ keys: [any CodingKey]) -> String {
            keys.isEmpty
                ? "the document"
                : "'" + keys.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".") + "'"
        }
        switch error {
        case .keyNotFound(let key, let context): return "\(path(context.codingPath + [key])) is missing"
        case .typeMismatch(let type, let context): return "\(path(context.codingPath)) is not a \(type)"
        case .valueNotFound(let type, let context): return "\(path(context.codingPath)) is null, wanted a \(type)"
        case .dataCorrupted(let context): return "\(path(context.codingPath)): \(context.debugDescription)"
        @unknown default: return "unreadable"
        }
    }
}
