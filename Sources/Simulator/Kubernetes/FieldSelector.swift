/// A field selector ("spec.nodeName=n1,status.phase!=Failed") over the fields that the API server knows for the kind.
struct FieldSelector: Sendable {
    struct Term: Sendable {
        var path: [String]
        var value: String
        var isEqual: Bool
    }

    var terms: [Term]

    private static let known: [String: Set<String>] = [
        "pods": [
            "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase",
            "status.podIP", "status.nominatedNodeName",
        ],
        "nodes": ["spec.unschedulable"],
        "namespaces": ["status.phase"],
        "batch/jobs": ["status.successful"],
        "events": [
            "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
            "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
            "reportingComponent", "source", "type",
        ],
    ]

    /// - Throws: `APIStatus` 400 for a field that the kind cannot be selected by.
    init(query: String, kind: ResourceKind) throws {
        terms = []
        for part in query.split(separator: ",") {
            guard let position = part.firstIndex(where: { $0 == "=" || $0 == "!" }) else {
                throw APIStatus.badRequest("invalid field selector: \(part)")
            }
            let field = String(part[..<position])
            guard
                ["metadata.name", "metadata.namespace"].contains(field) || Self.known[kind.id]?.contains(field) == true
            else { throw APIStatus.badRequest("field label not supported: \(field)") }
            let value = part[position...].drop { "!=".contains($0) }
            terms.append(
                Term(
                    path: field.split(separator: ".").map(String.init), value: String(value),
                    isEqual: part[position] != "!"))
        }
    }

    /// The value that the field is required to have, where the selector names one.
    func required(_ field: String) -> String? {
        terms.first { $0.isEqual && $0.path.joined(separator: ".") == field }?.value
    }

    func matches(_ object: JSONValue) -> Bool {
        terms.allSatisfy { term in
            let text: String
            switch object[term.path] {
            case .string(let value): text = value
            case .bool(let flag): text = flag ? "true" : "false"
            case .integer(let number): text = String(number)
            default: text = term.path.last == "unschedulable" ? "false" : ""
            }
            return (text == term.value) == term.isEqual
        }
    }
}
