import Foundation
import Infrastructure
import JobQueue

/// `poll-sqs`: receives the messages of one interruption queue and turns them into facts and follow-ups. The messages
/// are deleted once those are committed: a crash before that brings them again, and keys absorb them.
public struct PollSQS: Job {
    /// The kind's name.
    public static let kind: JobKind = "poll-sqs"

    /// What a request may say.
    public struct Parameters: Codable, Sendable {
        /// The seconds between two polls: a receive waits one less for its first message, and holds no slot meanwhile.
        public var intervalSeconds: Int?
        /// How many messages one receive asks for, 1 to 10.
        public var messagesMax: Int?
        /// How long a received message stays hidden.
        public var visibilitySeconds: Int?
        /// How soon before a scheduled maintenance its node is drained.
        public var maintenanceLeadSeconds: Int?
        /// How long an Auto Scaling group is taken to wait for our answer.
        public var lifecycleSeconds: Int?

        enum CodingKeys: String, CodingKey {
            case intervalSeconds = "interval_seconds"
            case messagesMax = "messages_max"
            case visibilitySeconds = "visibility_seconds"
            case maintenanceLeadSeconds = "maintenance_lead_seconds"
            case lifecycleSeconds = "lifecycle_seconds"
        }

        /// Asks for the defaults.
        public init() {}
    }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var queue: String
        var tenant: Tenant
        var now: Date
        var round: Int
        var clusters: [ClusterRegistration]
        var messages: [ReadMessage]
        /// Instances that are nodes of those clusters, by index or, for those just joined, by their EC2 tags.
        var resolved: [ResolvedInstance]
        /// Instances about which EC2 could not be asked now: their messages are left in the queue.
        var unresolvable: [InstanceID]
        var interruptions: [Interruption]
        /// Whether the last receive was full, so that more may wait.
        var isFull: Bool
        /// Messages by what became of them, in this run's earlier rounds.
        var counts: [String: Int]
    }

    /// Receives of one round. With ten messages each, a round stays within its limit of follow-ups.
    static let receivesMax = 5
    /// Rounds of one run, when every one of them found the queue full.
    static let roundsMax = 20

    let parameters: Parameters

    /// Makes the job of one request.
    public init(_ parameters: Parameters) { self.parameters = parameters }

    /// Receives, parses and resolves.
    public func observe(_ context: JobContext) async throws -> Observation {
        let clusters = try await context.sources.registry.clusters(onQueue: context.target, of: context.tenant)
        guard let first = clusters.first else {
            throw QueueError(.notFound, "no cluster of this job's tenant names the queue '\(context.target)'")
        }
        let queue = try await context.queue(first)
        let received = try await receive(from: queue, context: context)
        let messages = received.messages.map(ReadMessage.init)
        var observation = Observation(
            queue: context.target, tenant: context.tenant, now: context.now, round: context.round, clusters: clusters,
            messages: messages, resolved: [], unresolvable: [], interruptions: [], isFull: received.isFull,
            counts: try context.memory(as: [String: Int].self) ?? [:])
        let wanted = Set(messages.compactMap(\.event).filter { $0.interruption != nil }.flatMap(\.instances))
        guard !wanted.isEmpty else { return observation }
        let resolver = InstanceResolver(context: context, clusters: clusters)
        let answer = try await resolver.resolve(messages.compactMap(\.event))
        observation.resolved = answer.resolved
        observation.unresolvable = answer.unresolvable
        observation.interruptions = try await context.sources.interruptions.find(
            answer.resolved.map(\.instance), in: clusters.map(\.id))
        return observation
    }

    private func receive(
        from queue: any MessageQueue, context: JobContext
    ) async throws -> (messages: [QueueMessage], isFull: Bool) {
        let most = min(10, max(1, parameters.messagesMax ?? 10))
        let visibility = Duration.seconds(max(1, parameters.visibilitySeconds ?? 30))
        // Warnings come in swarms: after an answer, a short look for more, so that none waits for the next slot.
        let longest = min(20, max(0, (parameters.intervalSeconds ?? 5) - 1))
        let wait = Duration.seconds(context.round == 0 ? longest : min(1, longest))
        let first = try await context.withoutSlot {
            try await queue.receive(max: most, wait: wait, visibility: visibility)
        }
        guard first.count == most else { return (first, false) }
        // Much is waiting: the rest of the round's receives go side by side.
        return try await withThrowingTaskGroup(of: [QueueMessage].self) { group in
            for _ in 1..<PollSQS.receivesMax {
                group.addTask { try await queue.receive(max: most, wait: .zero, visibility: visibility) }
            }
            var messages = first
            var isFull = false
            for try await more in group {
                messages += more
                isFull = isFull || more.count == most
            }
            return (messages, isFull)
        }
    }

    /// Decides for each message on its own.
    public func decide(_ observation: Observation) -> Decision {
        guard !observation.messages.isEmpty else {
            if observation.counts.isEmpty { return Decision(isEmpty: true) }
            return Decision(result: PollSQS.summary(observation.counts))
        }
        let rules = EventRules(
            observation: observation, lead: Double(parameters.maintenanceLeadSeconds ?? 3600),
            lifecycleSeconds: Double(parameters.lifecycleSeconds ?? 300))
        var decision = Decision()
        var intents: [EventRules.Intent] = []
        var counts = observation.counts
        for message in observation.messages {
            let verdict = rules.verdict(on: message)
            let followUps =
                verdict.intents.isEmpty
                ? decision.followUps
                : EventRules.followUps(intents + verdict.intents, tenant: observation.tenant)
            // Too many for one round: the message stays in the queue for the next.
            guard followUps.count <= Decision.followUpsMax else { continue }
            intents += verdict.intents
            decision.followUps = followUps
            decision.facts += verdict.facts
            decision.findings += verdict.findings
            if verdict.isAcknowledged { decision.acknowledgements.append(Acknowledgement(receipt: message.receipt)) }
            counts[verdict.word, default: 0] += 1
        }
        decision.result = PollSQS.summary(counts)
        if observation.round + 1 < PollSQS.roundsMax {
            decision.memory = PollSQS.summary(counts)
            decision.next = .again(afterMilliseconds: 0)
        }
        return decision
    }

    private static func summary(_ counts: [String: Int]) -> JSONText {
        JSONText(
            text: "{" + counts.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",")
                + "}")
    }
}

/// A message and what reading it gave.
struct ReadMessage: Codable, Sendable {
    var id: String
    var receipt: String
    /// nil: unreadable.
    var event: FleetEvent?
    /// What is wrong with the body; nil: nothing.
    var error: String?
    /// The body of an unreadable message.
    var bodyBase64: String?

    init(_ message: QueueMessage) {
        id = message.id
        receipt = message.receipt
        do {
            event = try EventParser.parse(message)
        } catch {
            self.error = (error as? EventParser.Unreadable)?.message ?? "\(error)"
            bodyBase64 = Data(message.body.utf8).base64EncodedString()
        }
    }
}

/// An instance and the cluster it is a node of.
struct ResolvedInstance: Codable, Sendable, Hashable {
    var instance: InstanceID
    var cluster: ClusterID
}
