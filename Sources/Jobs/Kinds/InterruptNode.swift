import Foundation
import Infrastructure
import JobQueue

/// `interrupt-node`: an instance is about to go. Looks once at what its node carries, and ends at once with two
/// follow-ups that run in parallel: drain-node and replace-node.
public struct InterruptNode: Job {
    /// The kind's name.
    public static let kind: JobKind = "interrupt-node"

    /// What a request says.
    public struct Parameters: Codable, Sendable {
        /// The instances, at most 25.
        public var instances: [InstanceID]

        /// Names instances.
        public init(instances: [InstanceID]) { self.instances = instances }
    }

    static func parameters(_ instances: [InstanceID]) -> JSONText {
        JSONText(text: "{\"instances\":[" + instances.map { "\"\($0)\"" }.joined(separator: ",") + "]}")
    }

    /// One instance, as it is found.
    struct Item: Codable, Sendable {
        var interruption: Interruption
        var node: Node?
        var pods: [Pod]
    }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var now: Date
        var registration: ClusterRegistration
        var items: [Item]
    }

    let parameters: Parameters

    /// Makes the job of one request.
    public init(_ parameters: Parameters) { self.parameters = parameters }

    /// Reads the nodes and their pods. EC2 is not asked: a drain must not wait for it.
    public func observe(_ context: JobContext) async throws -> Observation {
        let registration = try await context.registration()
        guard (1...EventRules.instancesPerJob).contains(parameters.instances.count) else {
            throw QueueError(
                .invalid,
                "'instances' has \(parameters.instances.count) entries, wanted 1 to \(EventRules.instancesPerJob)")
        }
        let interruptions = try await context.sources.interruptions.find(parameters.instances, in: [registration.id])
            .filter { $0.closedAt == nil }
        var observation = Observation(now: context.now, registration: registration, items: [])
        guard !interruptions.isEmpty else { return observation }
        let cluster = try await context.cluster(registration)
        let nodes = try await NodeFinder.find(
            interruptions.map(\.instance), in: cluster, of: registration.id, index: context.sources.index)
        observation.items = try await withThrowingTaskGroup(of: Item.self) { group in
            for interruption in interruptions {
                let node = nodes[interruption.instance]
                group.addTask {
                    let pods = if let node { try await cluster.pods(onNode: node.name) } else { [Pod]() }
                    return Item(interruption: interruption, node: node, pods: pods)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        observation.items.sort { $0.interruption.intent < $1.interruption.intent }
        return observation
    }

    /// Decides for each instance.
    public func decide(_ observation: Observation) throws -> Decision {
        var decision = Decision()
        let cluster = observation.registration.id
        for item in observation.items {
            let interruption = item.interruption
            guard let node = item.node else {
                decision.facts.append(.interruptionProgress(.init(of: interruption, closedAt: observation.now)))
                decision.findings.append(
                    Finding(
                        "node-not-found", cluster: cluster, subject: interruption.instance.rawValue, .info,
                        "The instance is going and has no node in the cluster (any more): nothing to drain."))
                continue
            }
            let owner = NodeOwner.of(node: node, instance: nil, cluster: cluster, ownTemplate: nil)
            guard owner.mayDrain else {
                decision.facts.append(.interruptionProgress(.init(of: interruption, closedAt: observation.now)))
                decision.findings.append(
                    Finding(
                        "owner-acts", cluster: cluster, subject: node.name, .info,
                        "\(node.name) belongs to \(owner), which drains and replaces it by itself."))
                continue
            }
            let requirement = MovablePods.requirement(of: item.pods, node: node)
            decision.facts.append(.interruptionProgress(.init(of: interruption, requirement: requirement)))
            decision.followUps += try InterruptNode.followUps(interruption)
        }
        return decision
    }

    private static func followUps(_ interruption: Interruption) throws -> [JobRequest] {
        try [(DrainNode.kind, "drain"), (ReplaceNode.kind, "replace")].map { kind, word in
            JobRequest(
                kind,
                parameters: try JSONText(
                    encoding: IntentParameters(instance: interruption.instance, generation: interruption.generation)),
                target: interruption.cluster.rawValue,
                key: IdempotencyKey(
                    "\(word)/\(interruption.cluster)/\(interruption.intent)", release: .after(.seconds(86_400))))
        }
    }
}

/// What drain-node and replace-node are asked for.
public struct IntentParameters: Codable, Sendable {
    /// The instance.
    public var instance: InstanceID
    /// Which of its interruptions.
    public var generation: Int

    /// Names an interruption.
    public init(instance: InstanceID, generation: Int) {
        self.instance = instance
        self.generation = generation
    }
}

/// Finds the nodes of instances: by the index first, and by a LIST only where that does not tell.
enum NodeFinder {
    static func find(
        _ instances: [InstanceID], in cluster: any ClusterReader, of id: ClusterID, index: any InstanceIndex
    ) async throws -> [InstanceID: Node] {
        let entries = try await index.find(instances, in: [id])
        var found = try await withThrowingTaskGroup(of: (InstanceID, Node?).self) { group in
            for entry in entries { group.addTask { (entry.instance, try await cluster.node(named: entry.node)) } }
            // A node's name may have passed to another instance since.
            return try await group.reduce(into: [InstanceID: Node]()) { if $1.1?.instance == $1.0 { $0[$1.0] = $1.1 } }
        }
        if found.count == instances.count { return found }
        for node in try await cluster.nodes() {
            if let instance = node.instance, instances.contains(instance), found[instance] == nil {
                found[instance] = node
            }
        }
        return found
    }
}
