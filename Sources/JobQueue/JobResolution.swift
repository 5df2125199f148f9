/// A request with everything its spec decides filled in: what a ledger stores.
public struct ResolvedJob: Sendable, Equatable {
    /// The job's id.
    public var id: JobID
    /// Its kind.
    public var kind: JobKind
    /// Its queue.
    public var queue: String
    /// Its lane: the request's, or the spec's.
    public var lane: Lane
    /// The parameters: checked, with defaults, in canonical form (sorted keys), so that equal requests are equal text.
    public var parameters: JSONText
    /// What it is about.
    public var target: String
    /// The key: the request's, or the spec's template, or one of the job's own that protects a retried enqueue.
    public var key: IdempotencyKey
    /// Whose slots it needs; nil: no limit.
    public var limitKey: String?
    /// How many slots that key has.
    public var limitMax: Int?
    /// Whose tokens it needs; nil: no rate.
    public var rateKey: String?
    /// The bucket of that key.
    public var rate: JobSpec.RateSpec?
    /// The earliest start from now.
    public var delay: Duration
    /// Start within this time from now or be cancelled as late; nil: any time will do.
    public var startBefore: Duration?
    /// How long one attempt may take.
    public var timeoutSeconds: Int
    /// Attempts in all.
    public var attemptsMax: Int
    /// The W3C trace context of whoever asked.
    public var traceparent: String?
    /// What other tracers keep beside it.
    public var tracestate: String?
    /// The dead job this one runs again.
    public var replayOf: JobID?
    /// Whether whoever enqueues may push the id to the broker at once.
    public var isPushedAtOnce: Bool
}

extension NewJob {
    /// How long a request without a key of its own can be retried safely.
    public static let ownKeySeconds = 3600
    /// Keys are index entries: longer ones are refused.
    public static let keyBytesMax = 512

    /// Checks the request against its spec and fills in what the spec decides.
    /// - Parameter tenant: whose target it is, for templates that name `${tenant}`. By default the place stays, for ledgers
    ///   that fill it in where they look up the tenant.
    /// - Throws: `QueueError` code `invalid`, naming the kind and the field.
    public func resolved(tenant: String = "${tenant}") throws -> ResolvedJob {
        guard request.kind == spec.kind else {
            throw QueueError(.invalid, "request of kind '\(request.kind)' came with the spec of '\(spec.kind)'")
        }
        let fields = try spec.checked(parameters: request.parameters)
        let parameters = JSONText(text: JSONValue.object(fields).canonical)
        guard parameters.text.utf8.count <= JobSpec.parametersBytesMax else {
            throw spec.refusal(
                "parameters: found \(parameters.text.utf8.count) bytes, wanted at most \(JobSpec.parametersBytesMax)")
        }
        func expand(_ template: String, _ field: String) throws -> String {
            do {
                let text = try Template(template).expand(target: request.target, tenant: tenant, parameters: fields)
                return try checkedKey(text, field)
            } catch let error as QueueError {
                throw spec.refusal("\(field): \(error.message)")
            }
        }
        let key: IdempotencyKey
        if let own = request.key {
            key = IdempotencyKey(try checkedKey(own.text, "key"), release: own.release)
        } else if let keySpec = spec.key {
            key = IdempotencyKey(
                try expand(keySpec.template, "key"),
                release: keySpec.releaseSeconds.map { .after(.seconds($0)) } ?? .atEnd)
        } else {
            key = IdempotencyKey("req:\(id)", release: .after(.seconds(NewJob.ownKeySeconds)))
        }
        if let delay = request.delay, delay < .zero {
            throw spec.refusal("delay: found \(delay), wanted zero or more")
        }
        if request.target.utf8.count > NewJob.keyBytesMax || request.target.utf8.contains(0) {
            throw spec.refusal("target: wanted at most \(NewJob.keyBytesMax) bytes without U+0000")
        }
        let given = TraceHeaders(traceparent: request.traceparent, tracestate: request.tracestate)
        let trace = given ?? TraceHeaders.current
        return ResolvedJob(
            id: id, kind: spec.kind, queue: try queue(), lane: request.lane ?? spec.lane, parameters: parameters,
            target: request.target, key: key, limitKey: try spec.limit.map { try expand($0.key, "limit.key") },
            limitMax: spec.limit?.max, rateKey: try spec.rate.map { try expand($0.key, "rate.key") }, rate: spec.rate,
            delay: request.delay ?? .zero,
            startBefore: request.startBefore ?? spec.startBeforeSeconds.map { .seconds($0) },
            timeoutSeconds: spec.timeoutSeconds, attemptsMax: spec.retries.attemptsMax,
            traceparent: trace?.traceparent, tracestate: trace?.tracestate, replayOf: request.replayOf,
            isPushedAtOnce: spec.isPushedAtOnce)
    }

    private func queue() throws -> String {
        guard let queue = request.queue else { return spec.queue }
        guard queue.wholeMatch(of: /[a-z][a-z0-9-]{0,62}/) != nil else {
            throw spec.refusal(
                "queue: found '\(queue.prefix(80))', wanted lower-case letters, digits and '-', a letter first, at most 63"
            )
        }
        return queue
    }

    private func checkedKey(_ text: String, _ field: String) throws -> String {
        guard !text.isEmpty, text.utf8.count <= NewJob.keyBytesMax, !text.utf8.contains(0) else {
            throw spec.refusal(
                "\(field): found \(text.utf8.count) bytes, wanted 1 to \(NewJob.keyBytesMax) without U+0000")
        }
        return text
    }
}

extension JobSpec {
    /// The most a job's parameters may weigh, as canonical text.
    public static let parametersBytesMax = 65_536

    /// Checks a request's parameters against this spec and fills in defaults.
    /// - Returns: the parameters in canonical form, sorted by name.
    /// - Throws: `QueueError` code `invalid`, naming the parameter, what was found and what is wanted.
    public func validate(parameters: JSONText) throws -> JSONText {
        let text = JSONValue.object(try checked(parameters: parameters)).canonical
        guard text.utf8.count <= JobSpec.parametersBytesMax else {
            throw refusal("parameters: found \(text.utf8.count) bytes, wanted at most \(JobSpec.parametersBytesMax)")
        }
        return JSONText(text: text)
    }

    func refusal(_ message: String) -> QueueError { QueueError(.invalid, "\(kind): \(message)") }

    func checked(parameters given: JSONText) throws -> [String: JSONValue] {
        if parameters.isEmpty, given == .emptyObject { return [:] }
        guard given.text.utf8.count <= 4 * JobSpec.parametersBytesMax else {
            throw refusal(
                "parameters: found \(given.text.utf8.count) bytes, wanted at most \(JobSpec.parametersBytesMax)")
        }
        let document: JSONValue
        do {
            document = try JSONValue(parsing: given.text)
        } catch let error as QueueError {
            throw refusal("parameters: \(error.message)")
        }
        guard case .object(var fields) = document else {
            throw refusal("parameters: found \(document.sort), wanted an object")
        }
        for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
            guard let wanted = parameters[name] else {
                let hint = Spelling.hint(for: name, among: parameters.keys)
                let known = parameters.isEmpty ? "none" : parameters.keys.sorted().joined(separator: ", ")
                throw refusal(
                    "parameter '\(name.prefix(64))' is unknown\(hint.isEmpty ? "; it takes \(known)" : hint)")
            }
            guard wanted.type.accepts(value) else {
                throw refusal("parameter '\(name)': found \(value.canonical.prefix(64)), wanted \(wanted.type.article)")
            }
        }
        for (name, wanted) in parameters.sorted(by: { $0.key < $1.key }) where fields[name] == nil {
            if let standard = wanted.defaultValue {
                fields[name] = try JSONValue(parsing: standard.text)
            } else if wanted.required {
                throw refusal("parameter '\(name)' is missing, wanted \(wanted.type.article)")
            }
        }
        return fields
    }
}

extension JobSpec.ParameterType {
    /// Whether a value has this type.
    func accepts(_ value: JSONValue) -> Bool {
        switch (self, value) {
        case (.string, .string), (.number, .number), (.boolean, .boolean), (.array, .array), (.object, .object): true
        case (.integer, .number(let text)): Int64(text) != nil
        default: false
        }
    }

    /// The type with its article, for messages.
    var article: String {
        switch self {
        case .integer, .array, .object: "an \(rawValue)"
        case .string, .number, .boolean: "a \(rawValue)"
        }
    }
}

/// Guesses what was meant by a name that is not known.
public enum Spelling {
    /// `; did you mean 'x'?`, or nothing when no name is near.
    public static func hint(for name: String, among known: some Sequence<String>) -> String {
        guard name.utf8.count <= 64 else { return "" }
        let near = known.map { (distance(name, $0), $0) }.min { $0 < $1 }
        guard let near, near.0 <= max(1, min(name.count, near.1.count) / 3) else { return "" }
        return "; did you mean '\(near.1)'?"
    }

    /// Edits between two words, a swap of neighbours counted as one. Source: optimal string alignment distance.
    static func distance(_ left: String, _ right: String) -> Int {
        let (a, b) = (Array(left.utf8), Array(right.utf8))
        var rows = [Array(0...b.count)]
        for i in stride(from: 1, through: a.count, by: 1) {
            var row = [i]
            for j in stride(from: 1, through: b.count, by: 1) {
                var best = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { best = min(best, rows[i - 2][j - 2] + 1) }
                row.append(best)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
