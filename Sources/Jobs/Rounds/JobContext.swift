import Foundation
import Infrastructure
import JobQueue

/// Where jobs read from: the product's stores and the ways to the far sides.
public struct JobSources: Sendable {
    /// Registered clusters.
    public let registry: any ClusterRegistry
    /// Which node an instance is.
    public let index: any InstanceIndex
    /// What holds nodes: interruptions, and plans that empty them.
    public let interruptions: any Interruptions & NodePlans
    /// How far we may go.
    public let policies: any Policies
    /// What capacity costs.
    public let prices: any Prices
    /// Decisions that wait for a person.
    public let proposals: any Proposals
    /// What was saved.
    public let savings: any Savings
    /// What scans of accounts remember.
    public let sightings: any Sightings
    /// What sleeps outside of office hours.
    public let sleepers: any Sleepers
    /// What containers used.
    public let usage: any UsageHistory
    /// What was raised for want of memory.
    public let memoryRaises: any MemoryRaises
    /// Kubernetes, AWS, webhooks.
    public let farSides: any FarSides
    /// Which far sides are in trouble.
    public let circuits: any Circuits
    /// Where clusters' instances run, as this process read it last.
    let zones = ClusterZones()

    /// Names the sources.
    public init(
        registry: any ClusterRegistry, index: any InstanceIndex, interruptions: any Interruptions & NodePlans,
        policies: any Policies, prices: any Prices, proposals: any Proposals, savings: any Savings,
        sightings: any Sightings,
        sleepers: any Sleepers, usage: any UsageHistory, memoryRaises: any MemoryRaises,
        farSides: any FarSides, circuits: any Circuits = ClosedCircuits()
    ) {
        self.registry = registry
        self.index = index
        self.interruptions = interruptions
        self.policies = policies
        self.prices = prices
        self.proposals = proposals
        self.savings = savings
        self.sightings = sightings
        self.sleepers = sleepers
        self.usage = usage
        self.memoryRaises = memoryRaises
        self.farSides = farSides
        self.circuits = circuits
    }
}

/// What a job has in its hands while it observes: its request, its last round, and readers. Nothing to change anything.
public struct JobContext: Sendable {
    /// The job's id.
    public let jobID: JobID
    /// The tenant it belongs to, set by the ledger.
    public let tenant: Tenant
    /// Its kind.
    public let kind: JobKind
    /// What it is about: a cluster's id, a queue's URL, an account (`AccountTarget`).
    public let target: String
    /// World time at the round's start.
    public let now: Date
    /// 0 for the first round.
    public let round: Int
    /// What became of the last round's actions.
    public let reports: [ActionReport]
    /// What the last round left for this one.
    public let memory: JSONText?
    /// The product's stores.
    public let sources: JobSources
    private let handler: HandlerContext
    private let gate: CircuitGate

    init(handler: HandlerContext, now: Date, state: RoundState, sources: JobSources, gate: CircuitGate) {
        self.handler = handler
        self.gate = gate
        self.now = now
        self.sources = sources
        jobID = handler.job.id
        tenant = Tenant(rawValue: handler.job.tenant)
        kind = handler.job.kind
        target = handler.job.target
        round = state.round
        reports = state.reports
        memory = state.memory
    }

    /// The cluster the job is about.
    /// - Throws: `QueueError` `notFound` when it is not registered or belongs to another tenant than the job.
    public func registration() async throws -> ClusterRegistration {
        guard let found = try await sources.registry.cluster(ClusterID(rawValue: target)), found.tenant == tenant else {
            throw QueueError(.notFound, "no cluster '\(target)' of this job's tenant is registered")
        }
        return found
    }

    /// The account the job is about, and its tenant's clusters there, by id.
    /// - Throws: `QueueError` `notFound` when the target is no account, is another tenant's, or has no cluster.
    public func accountClusters() async throws -> (account: AccountTarget, clusters: [ClusterRegistration]) {
        guard let account = AccountTarget(target), account.tenant == tenant else {
            throw QueueError(.notFound, "'\(target)' is no account of this job's tenant")
        }
        let clusters = try await sources.registry.clusters(in: account).filter { $0.tenant == tenant }
        guard !clusters.isEmpty else { throw QueueError(.notFound, "no cluster of '\(target)' is registered") }
        return (account, clusters)
    }

    /// Reads an AWS account with the credentials of one of its clusters, once it is known to be that account.
    public func cloud(
        of account: AccountTarget, through registration: ClusterRegistration
    ) async throws -> any CloudReader {
        let cloud = try await self.cloud(registration)
        let found = try await cloud.account()
        guard found == account.account else {
            throw FarSideError(
                .badConfiguration, "the credentials are for the account \(found), the job is about \(account)")
        }
        return cloud
    }

    /// Reads the cluster's Kubernetes API.
    public func cluster(_ registration: ClusterRegistration) async throws -> any ClusterReader {
        try await gate.pass(.kubernetes)
        return try await sources.farSides.cluster(registration)
    }

    /// Reads the cluster's AWS account.
    public func cloud(_ registration: ClusterRegistration) async throws -> any CloudReader {
        try await gate.pass(.aws)
        return try await sources.farSides.cloud(registration, session: jobID.description)
    }

    /// The cluster's interruption queue.
    public func queue(_ registration: ClusterRegistration) async throws -> any MessageQueue {
        try await gate.pass(.aws)
        return try await sources.farSides.queue(registration, session: jobID.description)
    }

    /// What capacity costs in a region, read with the installation's own credentials.
    public func market(region: String) async throws -> any Market {
        try await sources.farSides.market(region: region, session: jobID.description)
    }

    /// What the last round left, decoded; nil on the first round.
    /// - Throws: `QueueError` `invalid` when it does not fit.
    public func memory<Memory: Decodable>(as type: Memory.Type) throws -> Memory? { try memory?.decode(type) }

    /// Runs a far call that mostly waits without holding a slot.
    public func withoutSlot<Value: Sendable>(_ body: @Sendable () async throws -> Value) async throws -> Value {
        try await handler.withoutSlot(body)
    }
}
