import Infrastructure
import JobQueue

/// `noop`: does nothing, or waits or fails on request: for probes and benchmarks.
public struct Noop: Job {
    /// The kind's name.
    public static let kind: JobKind = "noop"

    /// What a request may say.
    public struct Parameters: Codable, Sendable {
        /// Waits this long before it ends.
        public var waitMilliseconds: Int64?
        /// Waits so many times, and tells its progress.
        public var steps: Int64?
        /// Fails with this message: retried as the jobspec says.
        public var fail: String?

        enum CodingKeys: String, CodingKey {
            case fail, steps
            case waitMilliseconds = "wait_milliseconds"
        }

        /// Makes a request.
        public init(waitMilliseconds: Int64? = nil, steps: Int64? = nil, fail: String? = nil) {
            self.waitMilliseconds = waitMilliseconds
            self.steps = steps
            self.fail = fail
        }
    }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var round: Int
    }

    let parameters: Parameters

    /// Makes the job of one request.
    public init(_ parameters: Parameters) { self.parameters = parameters }

    /// Looks at nothing.
    public func observe(_ context: JobContext) -> Observation { Observation(round: context.round) }

    /// Ends, after the wait that was asked for.
    public func decide(_ observation: Observation) throws -> Decision {
        if let message = parameters.fail { throw QueueError(.transient, message) }
        let progress = parameters.steps.map { JobProgress(done: observation.round, total: Int($0), note: "waits") }
        if observation.round < parameters.steps ?? 1, let wait = parameters.waitMilliseconds, wait > 0 {
            return Decision(progress: progress, next: .again(afterMilliseconds: wait))
        }
        return Decision()
    }
}
