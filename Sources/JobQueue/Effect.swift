/// How an effect may be repeated.
public enum EffectClass: String, Sendable, Codable, CaseIterable {
    /// The far side honours a token: repeated with the same token and the same request.
    case token = "A"
    /// Repeating changes nothing, by nature or by a precondition.
    case idempotent = "B"
    /// Neither: called at most once; a lost answer parks the job for a person.
    case once = "C"
}

/// What a job wants to do to the outside, named by business identity and never by attempt or round.
public struct EffectIntent: Sendable, Equatable {
    /// `replace/<cluster>/<instance id>/0`: the same business step always has the same key. At most 512 bytes.
    public var key: String
    /// The step's short name, for people: `launch`, `evict`.
    public var step: String
    /// How it may be repeated.
    public var effectClass: EffectClass
    /// What will be sent, frozen with the intent. References to secrets, never secrets.
    public var request: JSONText
    /// What goes into the token beside the key, such as the region; empty for none.
    public var tokenScope: String

    /// Makes an intent.
    public init(key: String, step: String, effectClass: EffectClass, request: JSONText, tokenScope: String = "") {
        self.key = key
        self.step = step
        self.effectClass = effectClass
        self.request = request
        self.tokenScope = tokenScope
    }
}

/// What is handed to the code that sends an effect.
public struct EffectCall: Sendable {
    /// The effect's key.
    public let key: String
    /// 64 hexadecimal characters, the same for every call of this effect.
    public let token: String
    /// The frozen request: always send this, never one computed anew.
    public let request: JSONText
    /// Send within this time; the run's trust ends then.
    public let timeLeft: Duration
    /// The W3C trace context to send on.
    public let traceparent: String?
    /// What other tracers keep beside it, to be sent with it.
    public let tracestate: String?

    /// Makes a call: for workers and tests.
    public init(
        key: String, token: String, request: JSONText, timeLeft: Duration, traceparent: String?,
        tracestate: String? = nil
    ) {
        self.key = key
        self.token = token
        self.request = request
        self.timeLeft = timeLeft
        self.traceparent = traceparent
        self.tracestate = tracestate
    }
}

/// A definite refusal by the far side: the effect was surely not executed. A repeated run gets it again from the
/// ledger; trying again is a new step with a new key.
public struct EffectRefused: Error, Sendable, Codable, Equatable, CustomStringConvertible {
    /// The far side's own code: `InsufficientInstanceCapacity`, `UnauthorizedOperation`.
    public var code: String
    /// The far side's message, without secrets.
    public var message: String

    /// Makes a refusal.
    public init(code: String, message: String) {
        self.code = code
        self.message = message
    }

    /// Code and message.
    public var description: String { "\(code): \(message)" }
}

/// An error of an effect's call that knows what became of it. Any other may mean that the call was carried out.
public protocol EffectFailure: Error {
    /// False when the far side surely did nothing: the effect stays open, and nothing about it is unknown.
    var mayHaveBeenExecuted: Bool { get }
}

/// Thrown by the code that sends an effect when the request surely never left: the intent is withdrawn, and the job is
/// retried as after any passing failure.
public struct EffectNotSent: Error, Sendable, CustomStringConvertible {
    /// Why it could not be sent, without secrets.
    public var message: String

    /// Makes the error.
    public init(_ message: String) { self.message = message }

    /// The message.
    public var description: String { "not sent: \(message)" }
}

/// An entry of the effect ledger.
public struct EffectEntry: Sendable, Equatable {
    /// Where an effect stands.
    public enum State: Int16, Sendable {
        /// The intent is committed; the call may or may not have happened.
        case intended = 0
        /// The answer is stored.
        case done = 1
        /// Surely not executed; the refusal is stored.
        case refused = 2
    }

    /// The key.
    public var key: String
    /// Where it stands.
    public var state: State
    /// The token.
    public var token: String
    /// The frozen request.
    public var request: JSONText
    /// The stored answer or refusal.
    public var response: JSONText?
    /// How it may be repeated.
    public var effectClass: EffectClass
    /// Whether this very run wrote the intent: then nothing was sent by an earlier run.
    public var isOfThisRun: Bool

    /// Makes an entry: for ledgers.
    public init(
        key: String, state: State, token: String, request: JSONText, response: JSONText?, effectClass: EffectClass,
        isOfThisRun: Bool
    ) {
        self.key = key
        self.state = state
        self.token = token
        self.request = request
        self.response = response
        self.effectClass = effectClass
        self.isOfThisRun = isOfThisRun
    }
}
