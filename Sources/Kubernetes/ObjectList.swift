import Foundation

/// A whole list, all pages of it.
public struct ObjectList<Object: Sendable>: Sendable {
    /// The objects, in the server's order.
    public internal(set) var items: [Object] = []
    /// The state of the store that the list shows; for watches and preconditions on the list.
    public internal(set) var resourceVersion = ""
    /// Objects that could not be read. When this is not empty the list is not complete: nothing may be deleted on its word.
    public internal(set) var unreadable: [UnreadableObject] = []
}

/// An object of a list that is not what its kind promises. It does not spoil the rest of the list.
public struct UnreadableObject: Sendable, Equatable, Error {
    /// `namespace/name`, as far as it is known.
    public internal(set) var name: String
    /// The field and what is wrong with it.
    public internal(set) var reason: String
}

/// One page as the server sends it.
struct ListPage<Object: Decodable & Sendable>: Decodable {
    struct Metadata: Decodable {
        var resourceVersion: String?
        var `continue`: String?
    }
    struct Item: Decodable {
        var outcome: Result<Object, UnreadableObject>

        private struct Named: Decodable {
            struct Metadata: Decodable {
                var name: String?
                var namespace: String?
            }
            var metadata: Metadata?
        }

        init(from decoder: any Decoder) throws {
            do {
                outcome = .success(try Object(from: decoder))
            } catch {
                let metadata = (try? Named(from: decoder))?.metadata
                let name = [metadata?.namespace, metadata?.name].compactMap { $0 }.joined(separator: "/")
                outcome = .failure(UnreadableObject(name: name, reason: AnswerReading.reason(error)))
            }
        }
    }

    var metadata: Metadata
    var items: [Item]

    private enum CodingKeys: String, CodingKey { case metadata, items }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        metadata = try container.decode(Metadata.self, forKey: .metadata)
        guard container.contains(.items) else {
            throw DecodingError.keyNotFound(
                CodingKeys.items, .init(codingPath: container.codingPath, debugDescription: "not a list"))
        }
        // A Go server writes an empty list as null where it built none.
        items = try container.decodeIfPresent([Item].self, forKey: .items) ?? []
    }
}

/// Reads answers; says what is wrong by field, never by content.
enum AnswerReading {
    static func decode<Value: Decodable>(_ type: Value.Type, _ body: [UInt8], subject: String) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(body))
        } catch {
            throw KubernetesError(
                .malformedAnswer, "\(subject): the answer of \(body.count) bytes is not as promised: \(reason(error))")
        }
    }

    /// The path and the kind of mismatch.
    static func reason(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, let context): "\(path(context.codingPath + [key])) is missing"
        case DecodingError.typeMismatch(let type, let context): "\(path(context.codingPath)) is not a \(type)"
        case DecodingError.valueNotFound(let type, let context): "\(path(context.codingPath)) is null, wanted a \(type)"
        case DecodingError.dataCorrupted(let context):
            context.codingPath.isEmpty
                ? "not JSON, or nested too deep" : "\(path(context.codingPath)): \(context.debugDescription)"
        case let error as KubernetesError: error.message
        default: "\(type(of: error))"
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        let text = keys.map { key in key.intValue.map { "[\($0)]" } ?? key.stringValue }.joined(separator: ".")
        return KubernetesError.oneLine(text.isEmpty ? "the answer" : text, limit: 200)
    }
}
