import Foundation

/// When, where and how often jobs of one kind run: one YAML file in `jobspecs/`, one row in `job_kind`.
///
/// Step 1 of 7 in a job's life: a spec says when.
public struct JobSpec: Sendable, Codable, Equatable {
    /// The name of the kind.
    public var kind: JobKind
    /// Raised by one with every change of meaning; of two binaries the higher version wins.
    public var version: Int
    /// One sentence for people.
    public var summary: String
    /// The queue its jobs go to.
    public var queue: String
    /// How urgent they are.
    public var lane: Lane
    /// When the scheduler enqueues them; nil: only on request.
    public var schedule: Schedule?
    /// One schedule row per what.
    public var fanOut: FanOut
    /// The parameters by name.
    public var parameters: [String: ParameterSpec]
    /// How long one attempt may take.
    public var timeoutSeconds: Int
    /// Start within this time after the enqueue or be cancelled as late; nil: any time will do.
    public var startBeforeSeconds: Int?
    /// How failures are retried.
    public var retries: RetryPolicy
    /// How many may run at once per key; nil: no limit.
    public var limit: LimitSpec?
    /// How many may start per second and key; nil: no limit.
    public var rate: RateSpec?
    /// What makes two requests the same; nil: every request is its own.
    public var key: KeySpec?
    /// The most that jobs of this kind may do: `observe`, `propose` or `apply`. A word of the product above.
    public var modeMax: String
    /// Whether SQL callers of the role `cloudoptim_enqueuer` may enqueue it.
    public var external: Bool
    /// Days that ended jobs stay in the history.
    public var historyDays: Int

    /// What a schedule row is made for.
    public enum FanOut: String, Sendable, Codable, CaseIterable {
        /// One for the installation.
        case none
        /// One per registered cluster.
        case cluster
        /// One per AWS account of registered clusters.
        case account
        /// One per AWS region of registered clusters.
        case region
        /// One per interruption queue of registered clusters.
        case queue
    }

    /// One parameter of a kind.
    public struct ParameterSpec: Sendable, Codable, Equatable {
        /// The JSON type.
        public var type: ParameterType
        /// Whether a request must name it.
        public var required: Bool
        /// What it is when a request does not name it; a JSON literal.
        public var defaultValue: JSONText?
        /// One sentence for people.
        public var summary: String?

        enum CodingKeys: String, CodingKey {
            case type, required, summary
            case defaultValue = "default"
        }

        /// Makes a parameter.
        public init(type: ParameterType, required: Bool = false, defaultValue: JSONText? = nil, summary: String? = nil)
        {
            self.type = type
            self.required = required
            self.defaultValue = defaultValue
            self.summary = summary
        }
    }

    /// The JSON types a parameter may have.
    public enum ParameterType: String, Sendable, Codable, CaseIterable {
        /// Text.
        case string
        /// A number without a fraction.
        case integer
        /// Any number.
        case number
        /// true or false.
        case boolean
        /// A list.
        case array
        /// An object.
        case object
    }

    /// How many jobs may run at once for one key.
    public struct LimitSpec: Sendable, Codable, Equatable {
        /// A template: `${target}`, `${tenant}`, `${parameters.<name>}`.
        public var key: String
        /// At most this many at once, 1 to 10,000.
        public var max: Int

        /// Makes a limit.
        public init(key: String, max: Int) {
            self.key = key
            self.max = max
        }
    }

    /// How many jobs may start per second for one key: a token bucket.
    public struct RateSpec: Sendable, Codable, Equatable {
        /// A template, as in `LimitSpec`.
        public var key: String
        /// Tokens per second.
        public var perSecond: Double
        /// The most tokens that can be saved up.
        public var burst: Double

        enum CodingKeys: String, CodingKey {
            case key, burst
            case perSecond = "per_second"
        }

        /// Makes a rate.
        public init(key: String, perSecond: Double, burst: Double) {
            self.key = key
            self.perSecond = perSecond
            self.burst = burst
        }
    }

    /// The idempotency key of a kind's requests.
    public struct KeySpec: Sendable, Codable, Equatable {
        /// A template, as in `LimitSpec`.
        public var template: String
        /// Seconds after the enqueue at which it is freed; nil: when the job ends.
        public var releaseSeconds: Int?

        enum CodingKeys: String, CodingKey {
            case template
            case releaseSeconds = "release_seconds"
        }

        /// Makes a key.
        public init(template: String, releaseSeconds: Int? = nil) {
            self.template = template
            self.releaseSeconds = releaseSeconds
        }
    }

    enum CodingKeys: String, CodingKey {
        case kind, version, summary, queue, lane, schedule, parameters, retries, limit, rate, key, external
        case fanOut = "fan_out"
        case timeoutSeconds = "timeout_seconds"
        case startBeforeSeconds = "start_before_seconds"
        case modeMax = "mode_max"
        case historyDays = "history_days"
    }

    /// Makes a spec in code, as embedding programs and tests do.
    public init(
        kind: JobKind, version: Int = 1, summary: String = "", queue: String = "default", lane: Lane = .work,
        schedule: Schedule? = nil, fanOut: FanOut = .none, parameters: [String: ParameterSpec] = [:],
        timeoutSeconds: Int = 60, startBeforeSeconds: Int? = nil, retries: RetryPolicy = RetryPolicy(),
        limit: LimitSpec? = nil, rate: RateSpec? = nil, key: KeySpec? = nil, modeMax: String = "apply",
        external: Bool = false, historyDays: Int = 30
    ) {
        self.kind = kind
        self.version = version
        self.summary = summary
        self.queue = queue
        self.lane = lane
        self.schedule = schedule
        self.fanOut = fanOut
        self.parameters = parameters
        self.timeoutSeconds = timeoutSeconds
        self.startBeforeSeconds = startBeforeSeconds
        self.retries = retries
        self.limit = limit
        self.rate = rate
        self.key = key
        self.modeMax = modeMax
        self.external = external
        self.historyDays = historyDays
    }

    /// Whether whoever enqueues may push the id to the broker at once: kinds that a limit or rate may hold back wait
    /// for the feeder, which knows.
    public var isPushedAtOnce: Bool { limit == nil && rate == nil }
}
