import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// `replace-node`: launches one instance that can carry what the interrupted one carried: spot of low risk, then any
/// spot, then on demand. The whole plan is stored before its first step is sent.
public struct ReplaceNode: Job {
    /// The kind's name.
    public static let kind: JobKind = "replace-node"

    /// What is remembered from round to round.
    struct Memory: Codable, Sendable, Equatable {
        var plan: ReplacementPlan?
        var template: LaunchTemplate?
        var tags: [String: String] = [:]
        /// Launches asked for so far, over all cycles: the number in the effect key.
        var launches = 0
        /// The plan's step that is under way.
        var step = 0
        var cycle = 0
        /// Rounds in which the step under way failed in passing.
        var failures = 0
        var launched: FleetAnswer.Launched?
        var capacity: CapacityType?
        var launchedAt: Date?
    }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var now: Date
        var registration: ClusterRegistration
        var interruption: Interruption?
        var node: Node?
        /// The interrupted instance, as EC2 tells it; nil: unknown to it.
        var instance: Instance?
        /// Subnets by zone of the cluster's running instances.
        var zones: [String: String]
        var prices: [SpotPrice]
        var onDemand: [String: MicroDollars]
        var advice: [String: SpotAdvice]
        var incidents: [PoolIncident]
        var policy: ClusterPolicy
        var unavailable: [UnavailablePoolFact]
        /// Whether the new instance's node is Ready.
        var hasJoined: Bool
        var reports: [ActionReport]
        var memory: Memory
    }

    let parameters: IntentParameters

    /// Makes the job of one request.
    public init(_ parameters: IntentParameters) { self.parameters = parameters }

    /// Reads what the plan is made from, once; afterwards only what the next step needs.
    public func observe(_ context: JobContext) async throws -> Observation {
        let registration = try await context.registration()
        let found = try await context.sources.interruptions.find(parameters.instance, of: registration.id)
        let memory = try context.memory(as: Memory.self) ?? Memory()
        var observation = Observation(
            now: context.now, registration: registration,
            interruption: found.flatMap { $0.generation == parameters.generation ? $0 : nil }, node: nil, instance: nil,
            zones: [:], prices: [], onDemand: [:], advice: [:], incidents: [],
            policy: try await context.sources.policies.policy(of: registration.id), unavailable: [], hasJoined: false,
            reports: context.reports, memory: memory)
        if let launched = memory.launched {
            let nodes = try await context.cluster(registration).nodes()
            observation.hasJoined = nodes.contains { $0.instance == launched.id && $0.isReady }
            if observation.hasJoined {
                try await readPrices(of: [launched.type], registration, into: &observation, context)
            }
            return observation
        }
        guard memory.plan == nil, observation.interruption != nil else { return observation }
        let cloud = try await context.cloud(registration)
        observation.instance = try await cloud.instances([parameters.instance]).first
        let cluster = try await context.cluster(registration)
        observation.node = try await NodeFinder.find(
            [parameters.instance], in: cluster, of: registration.id, index: context.sources.index)[parameters.instance]
        observation.zones = try await zones(registration, cloud: cloud, instance: observation.instance, context)
        observation.unavailable = try await context.sources.prices.unavailable(
            account: registration.account, region: registration.region, now: context.now)
        if let requirement = observation.interruption?.requirement {
            let families = ReplaceRules.families(registration, observation.policy)
            let types = ReplacementPlan.candidates(for: requirement, families: families)
            try await readPrices(of: types, registration, into: &observation, context)
        }
        return observation
    }

    private func readPrices(
        of types: [String], _ registration: ClusterRegistration, into observation: inout Observation,
        _ context: JobContext
    ) async throws {
        let prices = context.sources.prices
        observation.prices = try await prices.spot(
            account: registration.account, region: registration.region, types: types,
            since: context.now - PoolBook.priceSpan.interval)
        observation.onDemand = try await prices.onDemand(region: registration.region, types: types)
        observation.advice = try await prices.advice(region: registration.region)
        observation.incidents = try await prices.incidents(
            account: registration.account, region: registration.region,
            since: context.now - PoolBook.incidentSpan.interval)
    }

    private func zones(
        _ registration: ClusterRegistration, cloud: any CloudReader, instance: Instance?, _ context: JobContext
    ) async throws -> [String: String] {
        if let subnets = registration.launch?.subnets, !subnets.isEmpty { return subnets }
        var zones = try await context.sources.zones.zones(of: registration.id) {
            var zones: [String: String] = [:]
            for other in try await cloud.instances(tag: "kubernetes.io/cluster/\(registration.name)", value: nil)
                .sorted(by: { $0.id < $1.id }) where other.state == .running && zones[other.zone] == nil
            {
                zones[other.zone] = other.subnet
            }
            return zones
        }
        if let instance, let subnet = instance.subnet { zones[instance.zone] = subnet }
        return zones
    }

    /// Decides the next round.
    public func decide(_ observation: Observation) throws -> Decision { try ReplaceRules(observation).decided() }
}
