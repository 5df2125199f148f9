import Foundation

/// A change to an object, in one of the three forms the API server takes.
public enum Patch: Sendable, Equatable {
    /// RFC 7386: fields given are set, `null` removes, lists are replaced whole.
    case merge(JSONValue)
    /// Kubernetes' own: lists with a merge key (containers by name) are merged. Not for custom resources.
    case strategic(JSONValue)
    /// RFC 6902 operations in order; all or none.
    case json([Operation])

    /// One RFC 6902 operation.
    public struct Operation: Sendable, Equatable, Encodable {
        /// What to do.
        public enum Kind: String, Sendable, Encodable {
            /// The RFC's operations of the same names.
            case add, remove, replace, test
        }
        /// What to do.
        public var op: Kind
        /// A JSON pointer (`/metadata/labels/a~1b`).
        public var path: String
        /// Nil for `remove`.
        public var value: JSONValue?

        /// An operation.
        public init(_ op: Kind, _ path: String, _ value: JSONValue? = nil) {
            self.op = op
            self.path = path
            self.value = value
        }
    }

    var contentType: String {
        switch self {
        case .merge: "application/merge-patch+json"
        case .strategic: "application/strategic-merge-patch+json"
        case .json: "application/json-patch+json"
        }
    }

    /// Whether sending it twice leaves what sending it once does. A merge sets values, so it does; operations need a guard
    /// that fails the second time.
    func isRepeatable(resourceVersion: String?) -> Bool {
        switch self {
        case .merge, .strategic: true
        case .json(let operations):
            resourceVersion != nil || operations.allSatisfy { $0.op == .replace || $0.op == .test }
        }
    }

    /// The body, which fails with a conflict when the object has moved on from `resourceVersion`.
    func body(resourceVersion: String?) throws -> [UInt8] {
        switch self {
        case .merge(let value), .strategic(let value):
            guard case .object(var fields) = value else {
                throw KubernetesError(.invalid, "a merge patch must be a JSON object")
            }
            if let resourceVersion {
                var metadata: [String: JSONValue] = [:]
                if case .object(let given)? = fields["metadata"] { metadata = given }
                metadata["resourceVersion"] = .string(resourceVersion)
                fields["metadata"] = .object(metadata)
            }
            return try JSONBody.encode(JSONValue.object(fields))
        case .json(let operations):
            let guarded = resourceVersion.map { [Operation(.test, "/metadata/resourceVersion", .string($0))] } ?? []
            return try JSONBody.encode(guarded + operations)
        }
    }
}

/// Encodes request bodies; keys are sorted so that equal requests are equal bytes.
enum JSONBody {
    static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return [UInt8](try encoder.encode(value))
        } catch {
            throw KubernetesError(.invalid, "the request cannot be written as JSON: \(AnswerReading.reason(error))")
        }
    }
}
