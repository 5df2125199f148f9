import Foundation
import Infrastructure
import JobQueue

/// The product's stores in memory: reads as Stores does, and takes records as its statements do.
actor MemoryStores: ClusterRegistry, InstanceIndex, Interruptions, NodePlans, Policies, Prices, Proposals, Savings,
    Sightings,
    Sleepers, UsageHistory, MemoryRaises
{
    private(set) var clusters: [ClusterRegistration] = []
    private(set) var index: [IndexedInstance] = []
    private(set) var interruptions: [Interruption] = []
    private(set) var records: [Record] = []
    private(set) var unavailablePools: [UnavailablePoolFact] = []
    private(set) var volumes: [String: VolumeSighting] = [:]
    private(set) var ghosts: [InstanceID: GhostSighting] = [:]
    private(set) var usageRows: [ContainerKey: [UsageDay]] = [:]
    private(set) var raiseRows: [MemoryRaiseFact] = []
    private(set) var sleeperRows: [String: Sleeper] = [:]
    private var nodeGroupRows: [String: NodeGroupSleep] = [:]
    private(set) var nodePlans: [NodePlan] = []
    var mode = Mode.apply
    var policy = ClusterPolicy()
    private var modes: [ClusterID: Mode] = [:]
    private var spotPrices: [SpotPrice] = []
    private var savings: [SavingFact] = []
    private var lives: [NodeLife] = []
    private var incidents: [PoolIncident] = []
    private var advice: [String: SpotAdvice] = [:]
    private var priceSources: [String: PriceSourceFact] = [:]
    private(set) var taken: [String: (Disturbance, Date)] = [:]
    private(set) var proposals: [Proposal] = []

    func add(_ cluster: ClusterRegistration) {
        clusters.removeAll { $0.id == cluster.id }
        clusters.append(cluster)
    }
    /// In place of the one of the same id.
    func set(_ cluster: ClusterRegistration) {
        clusters.removeAll { $0.id == cluster.id }
        clusters.append(cluster)
    }
    func add(_ entry: IndexedInstance) { index.append(entry) }
    func set(_ mode: Mode) { self.mode = mode }
    func set(_ policy: ClusterPolicy) { self.policy = policy }
    func set(_ mode: Mode, of cluster: ClusterID) { modes[cluster] = mode }

    func cluster(_ id: ClusterID) async throws -> ClusterRegistration? { clusters.first { $0.id == id } }
    func clusters(onQueue url: String, of tenant: Tenant) async throws -> [ClusterRegistration] {
        clusters.filter { $0.queueURL == url && $0.tenant == tenant }
    }
    func clusters(in account: AccountTarget) async throws -> [ClusterRegistration] {
        clusters.filter {
            $0.tenant == account.tenant && $0.account == account.account && $0.region == account.region
        }
    }
    func find(_ instances: [InstanceID], in clusters: [ClusterID]) async throws -> [IndexedInstance] {
        index.filter { instances.contains($0.instance) && clusters.contains($0.cluster) }
    }
    func find(_ instance: InstanceID, of cluster: ClusterID) async throws -> Interruption? {
        interruptions.filter { $0.instance == instance && $0.cluster == cluster }.max { $0.generation < $1.generation }
    }
    func find(_ instances: [InstanceID], in clusters: [ClusterID]) async throws -> [Interruption] {
        interruptions.filter { instances.contains($0.instance) && clusters.contains($0.cluster) }
    }
    func live(in cluster: ClusterID) async throws -> [Interruption] {
        interruptions.filter { $0.cluster == cluster && $0.closedAt == nil }
    }
    func mode(of cluster: ClusterID?, kind: String) async throws -> Mode {
        min(mode, cluster.flatMap { modes[$0] } ?? .apply)
    }
    func plans(of cluster: ClusterID, since: Date) async throws -> [NodePlan] {
        let newest = nodePlans.filter { $0.cluster == cluster }.map(\.number).max()
        return nodePlans.filter { plan in
            plan.cluster == cluster
                && (plan.closedAt.map { $0 >= since } ?? true || plan.number == newest)
        }.sorted { $0.number < $1.number }
    }
    func policy(of cluster: ClusterID) async throws -> ClusterPolicy {
        policy.inZone(clusters.first { $0.id == cluster }?.timeZone ?? "UTC")
    }
    func take(
        _ disturbance: Disturbance, key: String, of cluster: ClusterID, at now: Date, atMost max: Int
    ) async throws -> Bool {
        if taken[key] != nil { return true }
        guard try await self.taken(disturbance, of: cluster, since: now - 3600) < max else { return false }
        taken[key] = (disturbance, now)
        return true
    }
    func taken(_ disturbance: Disturbance, of cluster: ClusterID, since: Date) async throws -> Int {
        taken.values.count { $0.0 == disturbance && $0.1 > since }
    }
    func proposal(_ id: String, of tenant: Tenant) async throws -> Proposal? {
        proposals.first { $0.id == id && $0.tenant == tenant }
    }
    func add(_ proposal: Proposal) { proposals.append(proposal) }
    func spot(account: String, region: String, types: [String], since: Date) async throws -> [SpotPrice] {
        spotPrices.filter { types.contains($0.pool.type) }
    }
    func onDemand(region: String, types: [String]) async throws -> [String: MicroDollars] { [:] }
    func advice(region: String) async throws -> [String: SpotAdvice] { advice }
    func incidents(account: String, region: String, since: Date) async throws -> [PoolIncident] {
        incidents.filter { $0.at >= since }
    }
    func source(_ name: String) async throws -> PriceSourceFact? { priceSources[name] }
    func clusters(inRegion region: String) async throws -> [ClusterRegistration] {
        clusters.filter { $0.region == region }
    }
    func savings(of cluster: ClusterID, since: Date) async throws -> [SavingFact] { savings }
    func lives(of cluster: ClusterID, since: Date) async throws -> [NodeLife] { lives }
    func set(savings: [SavingFact], lives: [NodeLife]) {
        self.savings = savings
        self.lives = lives
    }
    func regions() async throws -> [String] { Set(clusters.map(\.region)).sorted() }
    func set(prices: [SpotPrice], incidents: [PoolIncident] = [], advice: [String: SpotAdvice] = [:]) {
        spotPrices = prices
        self.incidents = incidents
        self.advice = advice
    }
    func unavailable(account: String, region: String, now: Date) async throws -> [UnavailablePoolFact] {
        unavailablePools.filter { $0.until > now }
    }

    func volumes(of account: AccountTarget) async throws -> [VolumeSighting] {
        volumes.values.filter { $0.account == account }.sorted { $0.volume < $1.volume }
    }
    func ghosts(of account: AccountTarget) async throws -> [GhostSighting] {
        ghosts.values.filter { $0.account == account }.sorted { $0.instance < $1.instance }
    }
    /// Every row of the scans is lost.
    func forgetSightings() {
        volumes = [:]
        ghosts = [:]
    }

    func sleepers(in cluster: ClusterID) async throws -> [Sleeper] {
        sleeperRows.values.filter { $0.cluster == cluster }.sorted { $0.object.uid < $1.object.uid }
    }
    func nodeGroups(in cluster: ClusterID) async throws -> [NodeGroupSleep] {
        nodeGroupRows.values.filter { $0.cluster == cluster }.sorted { $0.group < $1.group }
    }
    func lastSamples(in cluster: ClusterID, sinceDay day: Int) async throws -> [ContainerKey: Date] {
        usageRows.compactMapValues { $0.filter { $0.day >= day }.map(\.lastAt).max() }
    }
    func usage(in cluster: ClusterID, sinceDay day: Int) async throws -> [ContainerKey: [UsageDay]] {
        usageRows.mapValues { $0.filter { $0.day >= day } }
    }
    func set(_ usage: [ContainerKey: [UsageDay]]) { usageRows = usage }
    func raises(in cluster: ClusterID) async throws -> [MemoryRaiseFact] { raiseRows }

    private func add(_ fact: UsageFact) {
        guard let place = usageRows[fact.key]?.firstIndex(where: { $0.day == fact.usage.day }),
            let known = usageRows[fact.key]?[place]
        else {
            usageRows[fact.key, default: []].append(fact.usage)
            return
        }
        guard known.lastAt < fact.usage.firstAt else { return }
        var sum = known
        sum.cpu.merge(fact.usage.cpu)
        sum.memoryMax = max(sum.memoryMax, fact.usage.memoryMax)
        sum.minutes += fact.usage.minutes
        sum.lastAt = fact.usage.lastAt
        usageRows[fact.key]?[place] = sum
    }

    func forgetSleepers() {
        sleeperRows = [:]
        nodeGroupRows = [:]
    }

    func records(of kind: String) -> [Record] { records.filter { $0.kind == kind } }

    func take(_ new: [Record]) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        decoder.dateDecodingStrategy = .custom { decoder in
            let text = try decoder.singleValueContainer().decode(String.self)
            return try Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        }
        for record in new {
            records.append(record)
            let data = Data(record.value.text.utf8)
            switch record.kind {
            case "interruption": merge(try decoder.decode(Interruption.self, from: data))
            case "interruption_progress": merge(try decoder.decode(InterruptionProgress.self, from: data))
            case "price_source": priceSources[record.key] = try decoder.decode(PriceSourceFact.self, from: data)
            case "unavailable_pool": unavailablePools.append(try decoder.decode(UnavailablePoolFact.self, from: data))
            case "volume_sighting":
                let row = try decoder.decode(VolumeSighting.self, from: data)
                volumes[row.volume] = row
            case "volume_gone": volumes[try decoder.decode(VolumeGone.self, from: data).volume] = nil
            case "ghost_sighting":
                let row = try decoder.decode(GhostSighting.self, from: data)
                ghosts[row.instance] = row
            case "ghost_gone": ghosts[try decoder.decode(GhostGone.self, from: data).instance] = nil
            case "usage": add(try decoder.decode(UsageFact.self, from: data))
            case "memory_raise":
                let row = try decoder.decode(MemoryRaiseFact.self, from: data)
                if !raiseRows.contains(where: { $0.record.kill.key == row.record.kill.key }) { raiseRows.append(row) }
            case "sleeper":
                let row = try decoder.decode(Sleeper.self, from: data)
                if (sleeperRows[row.object.uid]?.at ?? row.at) <= row.at { sleeperRows[row.object.uid] = row }
            case "node_group_sleep":
                let row = try decoder.decode(NodeGroupSleep.self, from: data)
                if (nodeGroupRows[row.group]?.at ?? row.at) <= row.at { nodeGroupRows[row.group] = row }
            case "node_plan": merge(try decoder.decode(NodePlan.self, from: data))
            default: break
            }
        }
    }

    private func merge(_ new: Interruption) {
        guard let place = interruptions.firstIndex(where: { $0.isSame(as: new) }) else {
            interruptions.append(new)
            return
        }
        interruptions[place].deadline = min(interruptions[place].deadline, new.deadline)
        interruptions[place].lifecycle = interruptions[place].lifecycle ?? new.lifecycle
    }

    private func merge(_ plan: NodePlan) {
        guard let place = nodePlans.firstIndex(where: { $0.cluster == plan.cluster && $0.number == plan.number }) else {
            nodePlans.append(plan)
            return
        }
        if nodePlans[place].closedAt == nil { nodePlans[place] = plan }
    }

    private func merge(_ step: InterruptionProgress) {
        guard
            let place = interruptions.firstIndex(where: {
                $0.cluster == step.cluster && $0.instance == step.instance && $0.generation == step.generation
            })
        else { return }
        interruptions[place].requirement = interruptions[place].requirement ?? step.requirement
        interruptions[place].drainedAt = interruptions[place].drainedAt ?? step.drainedAt
        interruptions[place].replacement = interruptions[place].replacement ?? step.replacement
        interruptions[place].closedAt = interruptions[place].closedAt ?? step.closedAt
    }
}

extension Interruption {
    func isSame(as other: Interruption) -> Bool {
        cluster == other.cluster && instance == other.instance && generation == other.generation
    }
}
