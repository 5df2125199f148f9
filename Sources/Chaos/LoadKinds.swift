import JobQueue

/// The kinds of the mixed load.
enum LoadKinds {
    static let retries = RetryPolicy(attemptsMax: 60, firstSeconds: 0.2, factor: 1.5, maxSeconds: 2, jitter: 0.3)
    private static let number: [String: JobSpec.ParameterSpec] = [
        "n": JobSpec.ParameterSpec(type: .integer, required: true),
        "milliseconds": JobSpec.ParameterSpec(type: .integer, defaultValue: JSONText(text: "0")),
    ]

    static let slotsOfALimit = 3
    static let ratePerSecond = 8.0
    static let rateBurst = 5.0
    static let stepsMax = 6
    static let stepsWithEffect = [0, 2, 4]
    static let childrenOfAParent = 2

    static let short = spec("short")
    static let urgent = spec("urgent", lane: .interruption)
    /// Waits and saves a checkpoint in every step, and has a keyed effect in every other.
    static let steps = spec("steps", timeoutSeconds: 240)
    static let keyed = spec("keyed")
    static let plain = spec("plain")
    /// One at a time per number.
    static let unique = spec("unique", key: JobSpec.KeySpec(template: "u:${parameters.n}"))
    static let limited = spec(
        "limited", limit: JobSpec.LimitSpec(key: "limit:${parameters.n}", max: slotsOfALimit))
    static let rated = spec(
        "rated", rate: JobSpec.RateSpec(key: "rate:${parameters.n}", perSecond: ratePerSecond, burst: rateBurst))
    /// Must start soon, and may then take its time.
    static let prompt = spec("prompt", startBeforeSeconds: 8)
    /// Leaves a record and two follow-ups with its end.
    static let parent = spec("parent")
    static let child = spec("child")
    /// Fails twice by its own fault, then ends well.
    static let failing = spec("failing")
    static let poison = spec("poison")
    static let tick = spec(
        "tick", schedule: Schedule(.every(seconds: 1), missed: .all, missedMax: 3600, overlap: .queue))
    static let tickSkip = spec("tick-skip", schedule: Schedule(.every(seconds: 1), missed: .latest, overlap: .skip))

    static let all = [
        short, urgent, steps, keyed, plain, unique, limited, rated, prompt, parent, child, failing, poison, tick,
        tickSkip,
    ]

    private static func spec(
        _ kind: JobKind, lane: Lane = .work, timeoutSeconds: Int = 120, startBeforeSeconds: Int? = nil,
        limit: JobSpec.LimitSpec? = nil, rate: JobSpec.RateSpec? = nil, key: JobSpec.KeySpec? = nil,
        schedule: Schedule? = nil
    ) -> JobSpec {
        JobSpec(
            kind: kind, lane: lane, schedule: schedule, parameters: schedule == nil ? number : [:],
            timeoutSeconds: timeoutSeconds, startBeforeSeconds: startBeforeSeconds, retries: retries, limit: limit,
            rate: rate, key: key)
    }
}

/// What a job of the load is told.
struct LoadParameters: Codable, Sendable {
    var n: Int
    var milliseconds: Int

    var json: JSONText { JSONText(text: #"{"milliseconds":\#(milliseconds),"n":\#(n)}"#) }
}
