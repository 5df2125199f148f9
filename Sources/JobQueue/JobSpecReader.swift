import Foundation
import Yams

/// Walks a YAML document along the table of fields, collects what is wrong, and leaves checked values.
struct JobSpecReader {
    let file: String
    let environment: [String: String]
    private(set) var problems: [JobSpecProblem] = []
    private(set) var variables: [JobSpecFile.Variable] = []

    init(file: String, environment: [String: String]) {
        self.file = file
        self.environment = environment
    }

    /// A checked value and the line it stands in.
    struct Value {
        var line: Int
        var content: Content
    }

    enum Content {
        case text(String)
        case integer(Int)
        case number(Double)
        case boolean(Bool)
        case literal(Node)
        case group([String: Value])
        case parameters([String: Value])
    }

    mutating func report(_ line: Int, _ field: String, found: String, wanted: String) {
        problems.append(JobSpecProblem(file: file, line: line, field: field, found: found, wanted: wanted))
    }

    /// Reads a document; nil when it is not even a group of fields. `problems` says what else is wrong.
    mutating func read(_ text: String) -> JobSpec? {
        guard text.utf8.count <= JobSpecFile.bytesMax else {
            report(1, "", found: "\(text.utf8.count) bytes", wanted: "at most \(JobSpecFile.bytesMax)")
            return nil
        }
        if let line = JobSpecReader.lineOfAnchor(in: text) {
            report(line, "", found: "a YAML anchor or tag", wanted: "plain values: '&' and '!' stand in quotes here")
            return nil
        }
        let root: Node
        do {
            guard let node = try Yams.compose(yaml: text), let mapping = node.mapping, !mapping.isEmpty else {
                report(1, "", found: "no fields", wanted: "a jobspec")
                return nil
            }
            root = node
        } catch {
            report(syntax: error)
            return nil
        }
        let value = read(root, as: .group(JobSpecSchema.fields), at: "", keyLine: 1)
        guard let value, case .group(let fields) = value.content else { return nil }
        return build(fields, line: value.line)
    }

    private mutating func report(syntax error: any Error) {
        switch error as? YamlError {
        case .scanner(let context, let problem, let mark, _)?, .parser(let context, let problem, let mark, _)?,
            .composer(let context, let problem, let mark, _)?:
            let place = context.map { " \($0.text)" } ?? ""
            let hint = "\(problem)\(place)".contains("alias") ? "; text that begins with '*' stands in quotes" : ""
            report(mark.line, "", found: "\(problem)\(place)", wanted: "YAML\(hint)")
        case .duplicatedKeysInMapping(let names, let context)?:
            report(context.mark.line, names.first ?? "", found: "the field twice", wanted: "it once")
        case .reader(let problem, _, _, _)?: report(1, "", found: problem, wanted: "UTF-8 text")
        default: report(1, "", found: "\(error)".prefix(200).description, wanted: "YAML")
        }
    }

    /// Anchors make documents that grow without bound; no jobspec needs one. The test is on the safe side: a value in
    /// quotes that looks like one is refused as well.
    static func lineOfAnchor(in text: String) -> Int? {
        var line = 1
        var isStart = true
        var isComment = false
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                if byte == UInt8(ascii: "\n") { line += 1 }
                isStart = true
                isComment = false
            case UInt8(ascii: " "), UInt8(ascii: "\t"): break
            case UInt8(ascii: "#") where isStart: isComment = true
            case UInt8(ascii: "&"), UInt8(ascii: "!"):
                if isStart, !isComment { return line }
            case UInt8(ascii: ":"), UInt8(ascii: "-"), UInt8(ascii: "?"), UInt8(ascii: "["), UInt8(ascii: "{"),
                UInt8(ascii: ","):
                isStart = true
            default: isStart = false
            }
        }
        return nil
    }

    // MARK: Values

    /// Reads a node; what concerns a whole group is reported where its name stands.
    private mutating func read(_ node: Node, as type: SpecType, at path: String, keyLine: Int) -> Value? {
        let line = node.mark?.line ?? keyLine
        switch type {
        case .group(let fields): return readGroup(node, fields, at: path, line: keyLine)
        case .parameters(let fields): return readParameters(node, fields, at: path, line: keyLine)
        case .literal: return Value(line: line, content: .literal(node))
        default: break
        }
        guard case .scalar(let scalar) = node else {
            report(line, path, found: node.mapping == nil ? "a list" : "a group of fields", wanted: type.wanted)
            return nil
        }
        guard let text = substitute(scalar.string, at: path, line: line) else { return nil }
        guard let content = JobSpecReader.content(of: text, as: type) else {
            let hint: String
            switch type {
            case .choice(let words): hint = Spelling.hint(for: text, among: words)
            case .lane: hint = Spelling.hint(for: text, among: Lane.allCases.map(\.name))
            case .zone: hint = Spelling.hint(for: text, among: TimeZone.knownTimeZoneIdentifiers)
            case .cron: hint = JobSpecReader.cronFault(text)
            case .template: hint = JobSpecReader.templateFault(text)
            default: hint = ""
            }
            let shown = text.isEmpty ? "nothing" : "'\(text.prefix(80))'"
            report(line, path, found: shown, wanted: type.wanted + hint)
            return nil
        }
        return Value(line: line, content: content)
    }

    private mutating func readGroup(
        _ node: Node, _ fields: [SpecField], at path: String, line: Int
    ) -> Value? {
        guard let mapping = node.mapping else {
            report(
                line, path, found: node.scalar.map { "'\($0.string.prefix(80))'" } ?? "a list",
                wanted: SpecType.group([]).wanted)
            return nil
        }
        var values: [String: Value] = [:]
        var seen: Set<String> = []
        for (key, node) in mapping {
            let name = key.scalar?.string ?? "a key that is no text"
            let inner = path.isEmpty ? name : "\(path).\(name)"
            let keyLine = key.mark?.line ?? line
            guard let field = fields.first(where: { $0.name == name }) else {
                let known = fields.map(\.name)
                report(
                    keyLine, inner, found: "an unknown field",
                    wanted: "one of \(known.joined(separator: ", "))\(Spelling.hint(for: name, among: known))")
                continue
            }
            seen.insert(name)
            values[name] = read(node, as: field.type, at: inner, keyLine: keyLine)
        }
        for field in fields where field.isRequired && !seen.contains(field.name) {
            report(
                line, path.isEmpty ? field.name : "\(path).\(field.name)", found: "nothing", wanted: field.type.wanted)
        }
        return Value(line: line, content: .group(values))
    }

    private mutating func readParameters(
        _ node: Node, _ fields: [SpecField], at path: String, line: Int
    ) -> Value? {
        guard let mapping = node.mapping else {
            report(
                line, path, found: node.scalar.map { "'\($0.string.prefix(80))'" } ?? "a list",
                wanted: "parameters by name")
            return nil
        }
        var values: [String: Value] = [:]
        for (key, node) in mapping {
            let name = key.scalar?.string ?? ""
            let keyLine = key.mark?.line ?? line
            guard JobSpecReader.isName(name, also: UInt8(ascii: "_")) else {
                report(
                    keyLine, path, found: "the name '\(name.prefix(80))'",
                    wanted: "lower-case letters, digits and '_', a letter first, at most 63")
                continue
            }
            values[name] = readGroup(node, fields, at: "\(path).\(name)", line: keyLine)
        }
        return Value(line: line, content: .parameters(values))
    }

    // MARK: Variables

    /// Replaces `${NAME}` and `${NAME:-default}`; lower-case names belong to templates and stay.
    mutating func substitute(_ text: String, at path: String, line: Int) -> String? {
        var out = ""
        var rest = text[...]
        while let open = rest.firstRange(of: "${") {
            out += rest[..<open.lowerBound]
            let inner = rest[open.upperBound...]
            guard let first = inner.utf8.first, (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(first) else {
                out += "${"
                rest = inner
                continue
            }
            guard let close = inner.firstIndex(of: "}") else {
                report(line, path, found: "'\(text.prefix(80))'", wanted: "a '}' that ends '${'")
                return nil
            }
            let halves = inner[..<close].firstRange(of: ":-")
            let name = String(inner[..<(halves?.lowerBound ?? close)])
            let standard = halves.map { String(inner[$0.upperBound..<close]) }
            guard name.utf8.allSatisfy({ (65...90).contains($0) || (48...57).contains($0) || $0 == 95 }) else {
                report(
                    line, path, found: "the variable '\(name.prefix(80))'", wanted: "upper-case letters, digits and '_'"
                )
                return nil
            }
            variables.append(JobSpecFile.Variable(name: name, defaultValue: standard, field: path, line: line))
            let value = environment[name].flatMap { $0.isEmpty ? nil : $0 } ?? standard
            guard let value else {
                report(
                    line, path, found: "'${\(name)}', which is not set",
                    wanted: "a value in the environment, or ${\(name):-default}")
                return nil
            }
            out += value
            rest = inner[inner.index(after: close)...]
        }
        return out + rest
    }
}
