import Foundation
import Yams

/// Checked values become a spec; what only fits together is checked here.
extension JobSpecReader {
    mutating func build(_ fields: [String: Value], line: Int) -> JobSpec? {
        let schedule = fields["schedule"].flatMap { makeSchedule($0) }
        let parameters = fields["parameters"].map { makeParameters($0) } ?? [:]
        var rate: JobSpec.RateSpec?
        if let group = fields["rate"]?.fields, let perSecond = group["per_second"]?.number {
            rate = JobSpec.RateSpec(
                key: group["key"]?.text ?? "", perSecond: perSecond, burst: group["burst"]?.number ?? max(1, perSecond))
        }
        var limit: JobSpec.LimitSpec?
        if let group = fields["limit"]?.fields, let max = group["max"]?.integer {
            limit = JobSpec.LimitSpec(key: group["key"]?.text ?? "", max: max)
        }
        var key: JobSpec.KeySpec?
        if let group = fields["key"]?.fields {
            key = JobSpec.KeySpec(
                template: group["template"]?.text ?? "", releaseSeconds: group["release"]?.number.map { Int($0) })
        }
        check(template: fields["rate"]?.fields?["key"], "rate.key", parameters)
        check(template: fields["limit"]?.fields?["key"], "limit.key", parameters)
        check(template: fields["key"]?.fields?["template"], "key.template", parameters)
        if let value = fields["fan_out"], value.text != "none", schedule == nil, fields["schedule"] == nil {
            report(
                value.line, "fan_out", found: "'\(value.text ?? "")' without a schedule",
                wanted: "a schedule, or no fan_out")
        }
        var history = 30
        if let value = fields["history"], let seconds = value.number {
            history = Int(seconds / 86_400)
            if Double(history) * 86_400 != seconds {
                report(value.line, "history", found: "\(Int(seconds)) s", wanted: "whole days, such as 30d")
            }
        }
        let retries = fields["retries"].map { makeRetries($0) } ?? RetryPolicy()
        return JobSpec(
            kind: JobKind(rawValue: fields["kind"]?.text ?? ""), version: fields["version"]?.integer ?? 1,
            summary: fields["summary"]?.text ?? "", queue: fields["queue"]?.text ?? "default",
            lane: fields["lane"]?.integer.flatMap { Lane(rawValue: Int16($0)) } ?? .work, schedule: schedule,
            fanOut: fields["fan_out"]?.text.flatMap(JobSpec.FanOut.init) ?? .none, parameters: parameters,
            timeoutSeconds: fields["timeout"]?.number.map { Int($0) } ?? 60,
            startBeforeSeconds: fields["start_before"]?.number.map { Int($0) }, retries: retries, limit: limit,
            rate: rate,
            key: key, modeMax: fields["mode_max"]?.text ?? "apply", external: fields["external"]?.boolean ?? false,
            historyDays: history)
    }

    private mutating func makeSchedule(_ value: Value) -> Schedule? {
        guard let fields = value.fields else { return nil }
        let names = Set(fields.keys)
        let times: Schedule.Times
        switch (fields["every"], fields["cron"]) {
        case (let every?, nil):
            times = .every(seconds: Int(every.number ?? 0))
            if let zone = fields["zone"] {
                report(
                    zone.line, "schedule.zone", found: "a zone without cron",
                    wanted: "no zone: 'every' counts from 1970")
            }
        case (nil, let cron?):
            let zone = fields["zone"]?.text ?? "UTC"
            // The reader accepted the text, so the expression parses.
            guard let expression = try? CronExpression(cron.text ?? "") else { return nil }
            times = .cron(expression, zone: zone)
        case (nil, nil):
            // A wrong `every` or `cron` was reported where it stands.
            if !problems.contains(where: { $0.field == "schedule.every" || $0.field == "schedule.cron" }) {
                report(
                    value.line, "schedule", found: names.isEmpty ? "nothing" : names.sorted().joined(separator: ", "),
                    wanted: "'every' or 'cron'")
            }
            return nil
        case (.some(let every), .some):
            report(every.line, "schedule", found: "'every' and 'cron'", wanted: "one of them")
            return nil
        }
        let missed = fields["missed"]?.text.flatMap(Schedule.Missed.init) ?? .latest
        if let most = fields["missed_max"], missed != .all {
            report(
                most.line, "schedule.missed_max", found: "a bound with 'missed: \(missed.rawValue)'",
                wanted: "'missed: all', or no missed_max")
        }
        if missed == .all, names.isDisjoint(with: ["missed_max"]),
            !problems.contains(where: { $0.field == "schedule.missed_max" })
        {
            report(
                fields["missed"]?.line ?? value.line, "schedule.missed_max", found: "nothing",
                wanted: "a bound for 'missed: all'")
        }
        return Schedule(
            times, missed: missed, missedMax: fields["missed_max"]?.integer ?? 1,
            overlap: fields["overlap"]?.text.flatMap(Schedule.Overlap.init) ?? .skip)
    }

    private mutating func makeRetries(_ value: Value) -> RetryPolicy {
        var policy = RetryPolicy()
        guard let fields = value.fields else { return policy }
        policy.attemptsMax = fields["max_attempts"]?.integer ?? policy.attemptsMax
        policy.firstSeconds = fields["first"]?.number ?? policy.firstSeconds
        policy.factor = fields["factor"]?.number ?? policy.factor
        policy.maxSeconds = fields["max"]?.number ?? max(policy.maxSeconds, policy.firstSeconds)
        policy.jitter = fields["jitter"]?.number ?? policy.jitter
        if let most = fields["max"], policy.maxSeconds < policy.firstSeconds {
            report(most.line, "retries.max", found: "less than 'first'", wanted: "at least 'first'")
        }
        return policy
    }

    private mutating func makeParameters(_ value: Value) -> [String: JobSpec.ParameterSpec] {
        guard case .parameters(let groups) = value.content else { return [:] }
        var result: [String: JobSpec.ParameterSpec] = [:]
        for (name, group) in groups.sorted(by: { $0.value.line < $1.value.line }) {
            guard let fields = group.fields, let type = fields["type"]?.text.flatMap(JobSpec.ParameterType.init) else {
                continue
            }
            let required = fields["required"]?.boolean ?? false
            var standard: JSONText?
            if let value = fields["default"], case .literal(let node) = value.content {
                let path = "parameters.\(name).default"
                if required {
                    report(value.line, path, found: "a default of a required parameter", wanted: "one of the two")
                } else if let literal = literal(node, as: type, at: path, line: value.line) {
                    standard = JSONText(text: literal.canonical)
                }
            }
            result[name] = JobSpec.ParameterSpec(
                type: type, required: required, defaultValue: standard, summary: fields["summary"]?.text)
        }
        return result
    }

    private mutating func check(template value: Value?, _ path: String, _ parameters: [String: JobSpec.ParameterSpec]) {
        guard let value, let text = value.text, let template = try? Template(text) else { return }
        for name in template.parameterNames {
            guard let parameter = parameters[name] else {
                report(
                    value.line, path, found: "'${parameters.\(name)}'",
                    wanted: "a parameter of this spec\(Spelling.hint(for: name, among: parameters.keys))")
                continue
            }
            if parameter.type == .array || parameter.type == .object {
                report(
                    value.line, path, found: "'${parameters.\(name)}', \(parameter.type.article)",
                    wanted: "a string, number or boolean")
            } else if !parameter.required, parameter.defaultValue == nil {
                report(
                    value.line, path, found: "'${parameters.\(name)}', which may be absent",
                    wanted: "a required parameter, or one with a default")
            }
        }
    }

    // MARK: Defaults of parameters

    private mutating func literal(_ node: Node, as type: JobSpec.ParameterType, at path: String, line: Int)
        -> JSONValue?
    {
        let before = problems.count
        let value: JSONValue?
        if type == .string, case .scalar(let scalar) = node {
            value = substitute(scalar.string, at: path, line: line).map { .string($0) }
        } else {
            value = json(node, at: path, depth: 0)
        }
        guard problems.count == before else { return nil }
        guard let value, type.accepts(value) else {
            let shown =
                node.scalar.map { "'\($0.string.prefix(80))'" }
                ?? (node.mapping == nil ? "a list" : "a group of fields")
            report(line, path, found: shown, wanted: type.article)
            return nil
        }
        guard value.canonical.utf8.count <= JobSpec.parametersBytesMax else {
            report(
                line, path, found: "\(value.canonical.utf8.count) bytes",
                wanted: "at most \(JobSpec.parametersBytesMax)")
            return nil
        }
        return value
    }

    private mutating func json(_ node: Node, at path: String, depth: Int) -> JSONValue? {
        let line = node.mark?.line ?? 1
        guard depth < 16 else {
            report(line, path, found: "more than 16 levels", wanted: "a flat default")
            return nil
        }
        switch node {
        case .scalar(let scalar):
            guard let text = substitute(scalar.string, at: path, line: line) else { return nil }
            guard scalar.style == .plain else { return .string(text) }
            switch text {
            case "true": return .boolean(true)
            case "false": return .boolean(false)
            case "", "~", "null": return .null
            default:
                if case .number(let number)? = try? JSONValue(parsing: text) { return .number(number) }
                return .string(text)
            }
        case .sequence(let items): return .array(items.compactMap { json($0, at: path, depth: depth + 1) })
        case .mapping(let pairs):
            var fields: [String: JSONValue] = [:]
            for (key, node) in pairs { fields[key.scalar?.string ?? ""] = json(node, at: path, depth: depth + 1) }
            return .object(fields)
        case .alias: return nil
        }
    }
}

extension JobSpecReader.Value {
    var text: String? { if case .text(let value) = content { value } else { nil } }
    var integer: Int? { if case .integer(let value) = content { value } else { nil } }
    var number: Double? { if case .number(let value) = content { value } else { nil } }
    var boolean: Bool? { if case .boolean(let value) = content { value } else { nil } }
    var fields: [String: JobSpecReader.Value]? { if case .group(let value) = content { value } else { nil } }
}
