import Foundation
import Infrastructure
import JobQueue

/// Reads and writes policies as YAML, and changes single fields. The default policy is the schema: what it has may be
/// named, and what is named is of the sort that it has there.
public enum PolicyFile {
    /// Groups whose keys are free.
    private static let freeGroups: Set = ["modes", "protected.labels", "protected.tags"]

    /// Reads a whole policy; what it does not name has its default.
    /// - Throws: `QueueError` `invalid`; its message has a line per problem, each `file:line: field: found X, wanted Y`.
    public static func parse(_ text: String, file: String) throws -> ClusterPolicy {
        try read(try YAMLDocument(text, file: file), over: .object([:]), file: file)
    }

    /// Changes fields of a policy, each `disruption.nodes_per_hour_max=3`; the value is YAML.
    /// - Throws: `QueueError` `invalid` naming the assignment.
    public static func changed(_ policy: ClusterPolicy, _ assignments: [String]) throws -> ClusterPolicy {
        var result = policy
        for assignment in assignments {
            let halves = assignment.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let path = halves[0].split(separator: ".", maxSplits: halves[0].hasPrefix("protected.") ? 2 : 1)
            guard halves.count == 2, (2...3).contains(path.count) else {
                throw QueueError(
                    .invalid, "'\(assignment)': wanted section.field=value, such as disruption.nodes_per_hour_max=3")
            }
            let names = path.map { JSONValue.string(String($0)).canonical }
            let text = names.joined(separator: ": {") + ": \(halves[1])" + String(repeating: "}", count: path.count - 1)
            let base = try JSONValue(parsing: try result.document())
            result = try read(try YAMLDocument(text, file: assignment), over: base, file: assignment)
        }
        return result
    }

    /// The policy as YAML with every field: what `parse` reads back as the same policy.
    public static func text(_ policy: ClusterPolicy) throws -> String {
        guard case .object(let sections) = try JSONValue(parsing: try policy.document()) else { return "" }
        var lines: [String] = []
        for (name, value) in sections.sorted(by: { $0.key < $1.key }) {
            if case .object(let fields) = value, !fields.isEmpty {
                lines.append("\(name):")
                for (field, value) in fields.sorted(by: { $0.key < $1.key }) {
                    lines.append("  \(quoted(field)): \(value.canonical)")
                }
            } else {
                lines.append("\(name): \(value.canonical)")
            }
        }
        return lines.joined(separator: "\n")
    }

    /// The fields in which two policies differ, as `disruption.nodes_per_hour_max: 10 -> 3`.
    public static func differences(from old: ClusterPolicy, to new: ClusterPolicy) throws -> [String] {
        let before = try flat(old)
        let after = try flat(new)
        return Set(before.keys).union(after.keys).subtracting(["version"]).sorted().compactMap { field in
            before[field] == after[field] ? nil : "\(field): \(before[field] ?? "-") -> \(after[field] ?? "-")"
        }
    }

    private static func flat(_ policy: ClusterPolicy) throws -> [String: String] {
        var fields: [String: String] = [:]
        func walk(_ value: JSONValue, _ path: String) {
            guard case .object(let inner) = value else { return fields[path] = value.canonical }
            for (name, value) in inner { walk(value, path.isEmpty ? name : "\(path).\(name)") }
        }
        walk(try JSONValue(parsing: try policy.document()), "")
        return fields
    }

    private static func quoted(_ name: String) -> String {
        name.utf8.allSatisfy { (97...122).contains($0) || $0 == 95 } ? name : JSONValue.string(name).canonical
    }

    // MARK: Reading

    private static func read(_ document: YAMLDocument, over base: JSONValue, file: String) throws -> ClusterPolicy {
        var reader = Reader(file: file)
        let schema = try JSONValue(parsing: try ClusterPolicy().document())
        let value = reader.value(document, schema: schema, over: base, at: "")
        guard reader.problems.isEmpty else {
            throw QueueError(.invalid, reader.problems.map(\.description).joined(separator: "\n"))
        }
        let policy: ClusterPolicy
        do {
            policy = try ClusterPolicy(document: value.canonical)
        } catch let error as DecodingError {
            // Of a fraction where a whole number is wanted Foundation tells no place.
            if let fault = reader.fractions.first(where: { !fits($0.path, $0.text) }) {
                throw QueueError(
                    .invalid,
                    "\(file):\(fault.line): \(fault.path): found '\(fault.text)', wanted a whole number")
            }
            let (path, message) = explained(error)
            throw QueueError(
                .invalid, "\(file):\(reader.line(of: path)): \(path.isEmpty ? "policy" : path): \(message)")
        }
        let problems = policy.problems.map { problem in
            JobSpecProblem(
                file: file, line: reader.line(of: problem.field), field: problem.field, found: problem.found,
                wanted: problem.wanted)
        }
        guard problems.isEmpty else {
            throw QueueError(.invalid, problems.map(\.description).joined(separator: "\n"))
        }
        return policy
    }

    private static func fits(_ path: String, _ number: String) -> Bool {
        let names = path.split(separator: ".").map { "\"\($0)\":" }
        let document = "{" + names.joined(separator: "{") + number + String(repeating: "}", count: names.count)
        do {
            _ = try ClusterPolicy(document: document)
            return true
        } catch {
            return false
        }
    }

    /// Where and why a document did not fit; fields as documents name them.
    private static func explained(_ error: DecodingError) -> (path: String, message: String) {
        let context: DecodingError.Context
        switch error {
        case .keyNotFound(_, let found), .typeMismatch(_, let found), .valueNotFound(_, let found),
            .dataCorrupted(let found):
            context = found
        @unknown default: return ("", "unreadable")
        }
        let names = context.codingPath.filter { $0.intValue == nil }.map { key in
            key.stringValue.reduce(into: "") { $0 += $1.isUppercase ? "_" + $1.lowercased() : String($1) }
        }
        return (names.joined(separator: "."), context.debugDescription)
    }

    private struct Reader {
        let file: String
        var problems: [JobSpecProblem] = []
        /// Numbers that are not whole.
        private(set) var fractions: [(path: String, line: Int, text: String)] = []
        private var lines: [String: Int] = [:]

        init(file: String) { self.file = file }

        /// The line of a field, or of the group that it is missing in.
        func line(of path: String) -> Int {
            var parts = path.split(separator: ".")
            while !parts.isEmpty {
                if let line = lines[parts.joined(separator: ".")] { return line }
                parts.removeLast()
            }
            return 1
        }

        private mutating func report(_ line: Int, _ field: String, _ found: String, _ wanted: String) {
            problems.append(
                JobSpecProblem(
                    file: file, line: line, field: field.isEmpty ? "policy" : field, found: found, wanted: wanted))
        }

        mutating func value(
            _ document: YAMLDocument, schema: JSONValue, over base: JSONValue, at path: String
        ) -> JSONValue {
            switch (document.content, schema) {
            case (.fields(let fields), .object(let known)):
                var result: [String: JSONValue] = [:]
                if case .object(let before) = base { result = before }
                for field in fields {
                    let inner = path.isEmpty ? field.name : "\(path).\(field.name)"
                    lines[inner] = field.line
                    let isFree = PolicyFile.freeGroups.contains(path)
                    guard let wanted = isFree ? .string("") : known[field.name] else {
                        let names = known.keys.sorted()
                        report(
                            field.line, inner, "an unknown field",
                            "one of \(names.joined(separator: ", "))\(Spelling.hint(for: field.name, among: names))")
                        continue
                    }
                    result[field.name] = value(
                        field.value, schema: wanted, over: result[field.name] ?? .null, at: inner)
                }
                return .object(result)
            case (.list(let items), .array):
                return .array(items.map { value($0, schema: .string(""), over: .null, at: path) })
            case (.scalar(let text, _), .string): return .string(text)
            case (.scalar(let text, true), .number):
                if let whole = Int(text) { return .number("\(whole)") }
                if let number = Double(text), number.isFinite {
                    fractions.append((path, document.line, "\(number)"))
                    return .number("\(number)")
                }
                report(document.line, path, "'\(text.prefix(80))'", "a number")
            case (.scalar(let text, true), .boolean):
                if text == "true" || text == "false" { return .boolean(text == "true") }
                report(document.line, path, "'\(text.prefix(80))'", "true or false")
            case (.scalar("", true), .object): return base == .null ? .object([:]) : base
            case (let content, _): report(document.line, path, Reader.sort(of: content), "\(schema.sort)")
            }
            return .null
        }

        private static func sort(of content: YAMLDocument.Content) -> String {
            switch content {
            case .scalar(let text, _): text.isEmpty ? "nothing" : "'\(text.prefix(80))'"
            case .list: "a list"
            case .fields: "a group of fields"
            }
        }
    }
}
