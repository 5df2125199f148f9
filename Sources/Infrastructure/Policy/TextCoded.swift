/// A value that is a text in documents, in the form that people write it.
public protocol TextCoded: Codable, CustomStringConvertible {
    /// Reads what `description` writes, and what people write beside it; nil: it is something else.
    init?(_ text: String)
    /// The form, for messages: "a day such as 2026-12-24".
    static var wanted: String { get }
}

extension TextCoded {
    /// Encodes the text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    /// Decodes the text.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let found = Self(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "found '\(text.prefix(80))', wanted \(Self.wanted)")
        }
        self = found
    }
}
