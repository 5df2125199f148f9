import Infrastructure
import JobQueue

/// `notify`: posts JSON to a webhook, through the effect ledger like every other effect.
public struct Notify: Job {
    /// The kind's name.
    public static let kind: JobKind = "notify"
    /// Passing failures before the job is left to its retries.
    static let triesMax = 5

    /// What a request says.
    public struct Parameters: Codable, Sendable {
        /// The address, https.
        public var url: String
        /// The body.
        public var body: JSONText
        /// The name of the secret that signs the body; nil: unsigned.
        public var secret: String?
        /// Whether the receiver drops repeats of one Idempotency-Key. If not, a lost answer parks the job for a person.
        public var receiverHonoursKey: Bool?
        /// The caller's own name for this notification; nil: the job's id.
        public var name: String?

        enum CodingKeys: String, CodingKey {
            case url, body, secret, name
            case receiverHonoursKey = "receiver_honours_key"
        }

        /// Makes a request.
        public init(
            url: String, body: JSONText, secret: String? = nil, receiverHonoursKey: Bool? = nil, name: String? = nil
        ) {
            self.url = url
            self.body = body
            self.secret = secret
            self.receiverHonoursKey = receiverHonoursKey
            self.name = name
        }
    }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var key: String
        var reports: [ActionReport]
        var round: Int
    }

    let parameters: Parameters

    /// Makes the job of one request.
    public init(_ parameters: Parameters) { self.parameters = parameters }

    /// Looks at nothing but its last round.
    public func observe(_ context: JobContext) -> Observation {
        Observation(
            key: "notify/\(context.tenant)/\(parameters.name ?? context.jobID.description)", reports: context.reports,
            round: context.round)
    }

    /// Posts, and posts again under the same key while the failure may pass.
    public func decide(_ observation: Observation) throws -> Decision {
        if let report = observation.reports.first {
            switch report.outcome {
            case .done: return Decision(result: JSONText(text: "{\"status\":\(Int(report.code) ?? 0)}"))
            case .refused:
                throw QueueError(.refused, "the receiver refused the notification: \(report.code): \(report.message)")
            case .failed where observation.round >= Notify.triesMax:
                throw QueueError(.transient, "the receiver could not be reached: \(report.code): \(report.message)")
            case .failed, .gone, .blocked, .impossible, .withheld, .skipped: break
            }
        }
        let delivery = WebhookDelivery(
            url: parameters.url, body: parameters.body.text, signingSecret: parameters.secret)
        let pause = observation.round == 0 ? 0 : Int64(500) << Int64(min(observation.round, 6))
        return Decision(
            actions: [
                Action(
                    key: observation.key,
                    .notify(delivery: delivery, honoursKey: parameters.receiverHonoursKey ?? false),
                    reason: "asked for by the job's request")
            ], next: .again(afterMilliseconds: pause))
    }
}
