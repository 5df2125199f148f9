/// The three patch formats that the API server takes besides server-side apply (RFC 7386, RFC 6902, strategic merge).
enum Patch {
    /// RFC 7386: null removes, objects merge, everything else replaces.
    static func merge(_ target: JSONValue, _ patch: JSONValue) -> JSONValue {
        guard case .object(let changes) = patch else { return patch }
        var members = target.object
        for (key, change) in changes {
            members[key] = change.isNull ? nil : merge(members[key] ?? .null, change)
        }
        return .object(members)
    }

    /// RFC 6902.
    /// - Throws: `APIStatus` 422 when an operation cannot be carried out.
    static func apply(operations: JSONValue, to target: JSONValue) throws -> JSONValue {
        guard case .array(let steps) = operations else {
            throw APIStatus.badRequest("a JSON patch is a list of operations")
        }
        return try steps.reduce(target) { document, step in
            let path = try pointer(step["path"])
            switch step["op"].string {
            case "add": return try edit(document, path) { _ in step.object["value"] ?? .null }
            case "replace":
                return try edit(document, path, mustExist: true) { _ in step.object["value"] ?? .null }
            case "remove": return try edit(document, path, mustExist: true) { _ in nil }
            case "test":
                guard try value(document, path) == (step.object["value"] ?? .null) else {
                    throw failure("testing value \(step["path"].string ?? "") failed")
                }
                return document
            case "copy":
                let copied = try value(document, pointer(step["from"]))
                return try edit(document, path) { _ in copied }
            case "move":
                let moved = try value(document, pointer(step["from"]))
                let without = try edit(document, pointer(step["from"]), mustExist: true) { _ in nil }
                return try edit(without, path) { _ in moved }
            default: throw failure("unexpected op \(step["op"].string ?? "")")
            }
        }
    }

    private static func failure(_ message: String) -> APIStatus {
        APIStatus(
            code: 422, reason: "Invalid",
            message: "the server rejected our request due to an error in our request: \(message)")
    }

    private static func pointer(_ text: JSONValue) throws -> [String] {
        guard let text = text.string, text.isEmpty || text.hasPrefix("/") else { throw failure("bad path") }
        return text.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map { unescaped($0) }
    }

    private static func unescaped(_ token: Substring) -> String {
        var text = ""
        var escape = false
        for character in token {
            if escape {
                text += character == "1" ? "/" : "~"
                escape = false
            } else if character == "~" {
                escape = true
            } else {
                text.append(character)
            }
        }
        return text
    }

    private static func value(_ document: JSONValue, _ path: [String]) throws -> JSONValue {
        try path.reduce(document) { value, token in
            switch value {
            case .object(let members) where members[token] != nil: return members[token] ?? .null
            case .array(let elements):
                guard let index = Int(token), elements.indices.contains(index) else { break }
                return elements[index]
            default: break
            }
            throw failure("the path \(token) does not exist")
        }
    }

    private static func edit(
        _ document: JSONValue, _ path: [String], mustExist: Bool = false, _ change: (JSONValue) -> JSONValue?
    ) throws -> JSONValue {
        guard let token = path.first else { return change(document) ?? .null }
        let rest = Array(path.dropFirst())
        switch document {
        case .object(var members):
            guard !mustExist && rest.isEmpty || members[token] != nil else {
                throw failure("the path \(token) does not exist")
            }
            members[token] =
                rest.isEmpty
                ? change(members[token] ?? .null)
                : try edit(members[token] ?? .null, rest, mustExist: mustExist, change)
            return .object(members)
        case .array(var elements):
            if rest.isEmpty, !mustExist {
                let index = token == "-" ? elements.count : Int(token) ?? -1
                guard (0...elements.count).contains(index), let added = change(.null) else {
                    throw failure("the index \(token) is out of range")
                }
                elements.insert(added, at: index)
                return .array(elements)
            }
            guard let index = Int(token), elements.indices.contains(index) else {
                throw failure("the index \(token) is out of range")
            }
            if !rest.isEmpty {
                elements[index] = try edit(elements[index], rest, mustExist: mustExist, change)
            } else if let changed = change(elements[index]) {
                elements[index] = changed
            } else {
                elements.remove(at: index)
            }
            return .array(elements)
        default: throw failure("the path \(token) does not exist")
        }
    }
}
