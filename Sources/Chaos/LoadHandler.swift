import Foundation
import Glibc
import HTTPClient
import JobQueue

/// Runs every kind of the load.
struct LoadHandler: Handler {
    let far: FarClient

    /// A failure that the load itself means to have: the only kind that may cost an attempt.
    struct OwnFailure: Error {}

    /// What a step leaves behind: which run wrote it, and how far it is.
    private struct Checkpoint: Codable {
        var fence: Int64
        var step: Int
    }

    func run(_ context: HandlerContext) async throws -> Outcome {
        let job = context.job
        let kind = job.kind.rawValue
        if kind.hasPrefix("tick") { return ended(job) }
        let parameters: LoadParameters = try job.parameters.decode()
        let pause = Duration.milliseconds(parameters.milliseconds)
        switch kind {
        case "steps":
            let start = try job.checkpoint.map { try $0.decode(Checkpoint.self).step } ?? 0
            for step in start..<LoadKinds.stepsMax {
                try await context.wait(for: pause)
                if LoadKinds.stepsWithEffect.contains(step) {
                    try await effect(context, .token, "steps/\(parameters.n)/\(step)")
                }
                try await context.save(
                    checkpoint: try JSONText(encoding: Checkpoint(fence: job.fence, step: step + 1)),
                    progress: JobProgress(done: step + 1, total: LoadKinds.stepsMax))
            }
        case "keyed":
            try await effect(context, .token, "keyed/\(parameters.n)")
        case "plain":
            try await effect(context, .once, "plain/\(parameters.n)")
        case "parent":
            return Outcome(
                result: result(job),
                records: [Record(kind: "count", key: "parent/\(parameters.n)", value: JSONText(text: "1"))],
                followUps: (0..<LoadKinds.childrenOfAParent).map { index in
                    let number = parameters.n * LoadKinds.childrenOfAParent + index
                    return JobRequest(
                        "child", parameters: LoadParameters(n: number, milliseconds: 0).json,
                        key: IdempotencyKey("child/\(number)", release: .after(.seconds(3600))))
                })
        case "failing":
            if job.attempt <= 2 { throw OwnFailure() }
        case "poison":
            kill(getpid(), SIGKILL)
        default:
            if parameters.milliseconds > 0 { try await context.wait(for: pause) }
        }
        return ended(job)
    }

    private func ended(_ job: ClaimedJob) -> Outcome { Outcome(result: result(job)) }

    /// The checker compares this fence with that of the row that was settled.
    private func result(_ job: ClaimedJob) -> JSONText { JSONText(text: #"{"fence":\#(job.fence)}"#) }

    private func effect(_ context: HandlerContext, _ effectClass: EffectClass, _ key: String) async throws {
        let path = effectClass == .once ? "plain" : "keyed"
        let intent = EffectIntent(
            key: key, step: path, effectClass: effectClass,
            request: try JSONText(encoding: ["fence": String(context.job.fence), "key": key]))
        _ = try await context.effect(intent) { call in try await far.send(call, path) }
    }
}

/// Sends effects to the far side.
struct FarClient: Sendable {
    let transport: HTTPTransport
    let port: UInt16

    static let timeout = Duration.seconds(3)

    func send(_ call: EffectCall, _ path: String) async throws -> JSONText {
        let response: HTTPResponse
        do {
            response = try await transport.send(
                HTTPRequest(
                    method: "POST", url: "http://127.0.0.1:\(port)/\(path)",
                    headers: [("Idempotency-Key", call.token), ("X-Business-Key", call.key)],
                    body: Array(call.request.text.utf8), timeout: min(call.timeLeft, Self.timeout)))
        } catch let error as HTTPError where !error.mayHaveReachedServer {
            throw EffectNotSent(error.message)
        }
        guard response.status == 200 else { throw LoadHandler.OwnFailure() }
        return JSONText(text: String(decoding: response.body, as: UTF8.self))
    }
}
