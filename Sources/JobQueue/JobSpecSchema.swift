/// The one table of what a jobspec may say. The reader checks files against it, and the JSON Schema is printed from it.
enum SpecType: Sendable {
    /// A name that matches `^[a-z][a-z0-9-]*$`, at most 63 characters.
    case name
    /// Text of at most so many characters.
    case text(max: Int)
    case integer(ClosedRange<Int>)
    case number(ClosedRange<Double>)
    case boolean
    /// A duration within so many seconds; `millis` allows the unit `ms`.
    case duration(ClosedRange<Int>, millis: Bool = false, orWord: String? = nil)
    case choice([String])
    case lane
    case cron
    case zone
    case template
    /// Any value.
    case literal
    case group([SpecField])
    /// Groups by parameter name.
    case parameters([SpecField])

    /// What a message says is wanted.
    var wanted: String {
        switch self {
        case .name: "lower-case letters, digits and '-', a letter first, at most 63"
        case .text(let max): "text of 1 to \(max) characters"
        case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .number(let range):
            "a number from \(SpecType.short(range.lowerBound)) to \(SpecType.short(range.upperBound))"
        case .boolean: "true or false"
        case .duration(let range, let millis, let word):
            "\(word.map { "'\($0)' or " } ?? "")a duration with its unit, such as \(millis ? "500ms, " : "")5s, 10m, 24h or 7d, "
                + "from \(range.lowerBound) s to \(SpecType.span(range.upperBound))"
        case .choice(let words): "one of \(words.joined(separator: ", "))"
        case .lane: "one of \(Lane.allCases.map { "\($0.name) (\($0.rawValue))" }.joined(separator: ", "))"
        case .cron: "a cron expression of five fields"
        case .zone: "an IANA time zone such as Europe/Berlin, or UTC"
        case .template: "text with ${target}, ${tenant} or ${parameters.<name>}"
        case .literal: "a value"
        case .group: "a group of fields"
        case .parameters: "parameters by name"
        }
    }

    private static func short(_ value: Double) -> String {
        value == value.rounded() ? String(Int(value)) : String(value)
    }

    private static func span(_ seconds: Int) -> String {
        seconds % 86_400 == 0 ? "\(seconds / 86_400) d" : seconds % 3600 == 0 ? "\(seconds / 3600) h" : "\(seconds) s"
    }
}

/// One field of a jobspec.
struct SpecField: Sendable {
    let name: String
    let type: SpecType
    let isRequired: Bool
    let summary: String

    init(_ name: String, _ type: SpecType, required: Bool = false, _ summary: String) {
        self.name = name
        self.type = type
        isRequired = required
        self.summary = summary
    }
}

extension Lane {
    /// The lane's name in jobspecs.
    var name: String { "\(self)" }
}

/// The fields of a jobspec, and their JSON Schema for editors.
public enum JobSpecSchema {
    private static let year = 366 * 86_400

    static let fields: [SpecField] = [
        SpecField("kind", .name, required: true, "The name of the kind; also the file's name."),
        SpecField("version", .integer(1...1_000_000), required: true, "Raised by one with every change of meaning."),
        SpecField("summary", .text(max: 300), required: true, "One sentence for people."),
        SpecField("queue", .name, "The queue its jobs go to; 'default' if absent."),
        SpecField("lane", .lane, "How urgent its jobs are; 'work' if absent."),
        SpecField("schedule", .group(schedule), "When the scheduler enqueues it; only on request if absent."),
        SpecField(
            "fan_out", .choice(JobSpec.FanOut.allCases.map(\.rawValue)), "One schedule row per what; 'none' if absent."),
        SpecField("parameters", .parameters(parameter), "The parameters by name."),
        SpecField("timeout", .duration(1...(7 * 86_400)), "How long one attempt may take; 60s if absent."),
        SpecField(
            "start_before", .duration(1...year), "Start within this time after the enqueue, or be cancelled as late."),
        SpecField("retries", .group(retries), "How failures are tried again."),
        SpecField("limit", .group(limit), "How many may run at once per key."),
        SpecField("rate", .group(rate), "How many may start per second and key."),
        SpecField("key", .group(key), "What makes two requests the same."),
        SpecField(
            "mode_max", .choice(["observe", "propose", "apply"]), "The most its jobs may do; 'apply' if absent."),
        SpecField("external", .boolean, "Whether SQL callers may enqueue it; false if absent."),
        SpecField(
            "history", .duration(86_400...(3660 * 86_400)),
            "How long ended jobs are kept, in whole days; 30d if absent."),
    ]

    private static let schedule: [SpecField] = [
        SpecField("every", .duration(1...year), "A period; each target has its own phase in it."),
        SpecField("cron", .cron, "minute hour day month weekday, in quotes."),
        SpecField("zone", .zone, "The time zone of 'cron'; UTC if absent."),
        SpecField(
            "missed", .choice(Schedule.Missed.allCases.map(\.rawValue)), "Slots nobody fired; 'latest' if absent."),
        SpecField("missed_max", .integer(1...1000), "With 'missed: all', the most slots caught up at once."),
        SpecField(
            "overlap", .choice(Schedule.Overlap.allCases.map(\.rawValue)),
            "A slot while the last job has not ended; 'skip' if absent."),
    ]
    private static let parameter: [SpecField] = [
        SpecField("type", .choice(JobSpec.ParameterType.allCases.map(\.rawValue)), required: true, "The JSON type."),
        SpecField("required", .boolean, "Whether a request must name it; false if absent."),
        SpecField("default", .literal, "Its value when a request does not name it."),
        SpecField("summary", .text(max: 300), "One sentence for people."),
    ]
    private static let retries: [SpecField] = [
        SpecField("max_attempts", .integer(1...100), "Attempts in all, the first included; 5 if absent."),
        SpecField("first", .duration(0...86_400, millis: true), "The delay after the first failure; 1s if absent."),
        SpecField("factor", .number(1...100), "Each further delay is the last times this; 3 if absent."),
        SpecField("max", .duration(0...(7 * 86_400), millis: true), "No delay is longer; 10m if absent."),
        SpecField("jitter", .number(0...1), "The share of the delay that is random; 0.3 if absent."),
    ]
    private static let limit: [SpecField] = [
        SpecField("key", .template, required: true, "Jobs with the same text share the slots, across kinds."),
        SpecField("max", .integer(1...10_000), required: true, "At most this many at once."),
    ]
    private static let rate: [SpecField] = [
        SpecField("key", .template, required: true, "Jobs with the same text share the tokens, across kinds."),
        SpecField("per_second", .number(0.0001...100_000), required: true, "Tokens per second."),
        SpecField("burst", .number(1...100_000), "The most tokens saved up; 1 or per_second if absent."),
    ]
    private static let key: [SpecField] = [
        SpecField("template", .template, required: true, "Requests with the same text are the same request."),
        SpecField(
            "release", .duration(1...year, orWord: "end"),
            "When the key is freed: 'end' (of the job), or a time after the enqueue; 'end' if absent."),
    ]

    /// The JSON Schema (draft 2020-12) of a jobspec, indented, with sorted keys: the same text every time.
    public static var text: String {
        var root = schema(of: fields)
        root["$schema"] = .string("https://json-schema.org/draft/2020-12/schema")
        root["title"] = .string("jobspec")
        var out = ""
        indent(.object(root), by: 0, to: &out)
        return out + "\n"
    }

    private static func schema(of fields: [SpecField]) -> [String: JSONValue] {
        var properties: [String: JSONValue] = [:]
        for field in fields {
            var property = schema(of: field.type)
            property["description"] = .string(field.summary)
            properties[field.name] = .object(property)
        }
        var result: [String: JSONValue] = [
            "type": .string("object"), "additionalProperties": .boolean(false), "properties": .object(properties),
        ]
        let required = fields.filter(\.isRequired).map { JSONValue.string($0.name) }
        if !required.isEmpty { result["required"] = .array(required) }
        return result
    }

    private static func schema(of type: SpecType) -> [String: JSONValue] {
        switch type {
        case .name: either(pattern: "^[a-z][a-z0-9-]{0,62}$")
        case .text(let max):
            ["type": .string("string"), "minLength": .number("1"), "maxLength": .number(String(max))]
        case .integer(let range):
            either(other: [
                "type": .string("integer"), "minimum": .number("\(range.lowerBound)"),
                "maximum": .number("\(range.upperBound)"),
            ])
        case .number(let range):
            either(other: [
                "type": .string("number"), "minimum": .number("\(range.lowerBound)"),
                "maximum": .number("\(range.upperBound)"),
            ])
        case .boolean: either(other: ["type": .string("boolean")])
        case .duration(_, let millis, let word):
            either(pattern: "^([0-9]+(\(millis ? "ms|" : "")s|m|h|d)\(word.map { "|\($0)" } ?? ""))$")
        case .choice(let words): either(other: ["enum": .array(words.map(JSONValue.string))])
        case .lane:
            either(other: [
                "enum": .array(Lane.allCases.map { .string($0.name) } + Lane.allCases.map { .number("\($0.rawValue)") })
            ])
        case .cron: either(pattern: "^\\S+(\\s+\\S+){4}$")
        case .zone: either(pattern: "^(UTC|[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)+)$")
        case .template: ["type": .string("string"), "minLength": .number("1"), "maxLength": .number("512")]
        case .literal: [:]
        case .group(let fields): schema(of: fields)
        case .parameters(let fields):
            [
                "type": .string("object"), "additionalProperties": .object(schema(of: fields)),
                "propertyNames": .object(["pattern": .string("^[a-z][a-z0-9_]{0,62}$")]),
            ]
        }
    }

    /// The type itself, or text with a variable in it.
    private static func either(other: [String: JSONValue]) -> [String: JSONValue] {
        let variable: [String: JSONValue] = [
            "type": .string("string"), "pattern": .string("\\$\\{[A-Z][A-Z0-9_]*(:-[^}]*)?\\}"),
        ]
        return ["anyOf": .array([.object(other), .object(variable)])]
    }

    private static func either(pattern: String) -> [String: JSONValue] {
        either(other: ["type": .string("string"), "pattern": .string(pattern)])
    }

    private static func indent(_ value: JSONValue, by depth: Int, to out: inout String) {
        guard case .object(let fields) = value, !fields.isEmpty else {
            out += value.canonical
            return
        }
        let margin = String(repeating: "  ", count: depth + 1)
        out += "{\n"
        for (index, name) in fields.keys.sorted().enumerated() {
            guard let field = fields[name] else { continue }
            out += margin
            JSONValue.quote(name, to: &out)
            out += ": "
            indent(field, by: depth + 1, to: &out)
            out += index + 1 < fields.count ? ",\n" : "\n"
        }
        out += String(repeating: "  ", count: depth) + "}"
    }
}
