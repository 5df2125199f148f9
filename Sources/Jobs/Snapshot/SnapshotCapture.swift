import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// Takes snapshots: reads what decisions are made from, and says what could not be read.
public struct SnapshotCapture: Sendable {
    /// Which lists are read.
    public var lists: Set<ClusterList>
    /// Whether EC2 instances and EBS volumes are read.
    public var readsCloud: Bool
    /// Whether groups of nodes are read from the account as well: nothing but office hours is decided by them.
    public var readsNodeGroups: Bool
    /// Whether prices, advice and incidents are read from our stores.
    public var readsPrices: Bool

    /// What jobs about nodes decide from, unless said.
    public init(
        lists: Set<ClusterList> = Set(ClusterList.allCases), readsCloud: Bool = true, readsNodeGroups: Bool = false,
        readsPrices: Bool = true
    ) {
        self.readsNodeGroups = readsNodeGroups
        self.lists = lists
        self.readsCloud = readsCloud
        self.readsPrices = readsPrices
    }

    /// Takes one.
    /// - Parameters:
    ///   - cloud: opens the account; asked only where it is to be read. An account that cannot be read is remarked on.
    ///   - policy: its protected labels and tags are kept, besides those that rules of the cluster refer to.
    /// - Throws: `FarSideError` when the cluster cannot be read at all; `CancellationError`.
    public func take(
        _ registration: ClusterRegistration, cluster: any ClusterReader,
        cloud: @Sendable () async throws -> any CloudReader, prices: any Prices, policy: ClusterPolicy, now: Date
    ) async throws -> ClusterSnapshot {
        // Documents hold whole seconds.
        let now = Date(timeIntervalSince1970: now.timeIntervalSince1970.rounded(.down))
        let version = try await cluster.version()
        let objects = try await cluster.objects(lists, now: now)
        var snapshot = ClusterSnapshot(
            cluster: SnapshotSubject(registration), capturedAt: now, serverVersion: version, objects: objects)
        snapshot.remarks = objects.remarks
        if readsCloud { try await readCloud(registration, cloud, into: &snapshot) }
        if readsPrices { try await readPrices(registration, prices, into: &snapshot) }
        return snapshot.narrowed(keeping: policy.protected)
    }

    /// Instances of the cluster's nodes, those that bear its tags, and the volumes that nothing is attached to.
    private func readCloud(
        _ registration: ClusterRegistration, _ open: @Sendable () async throws -> any CloudReader,
        into snapshot: inout ClusterSnapshot
    ) async throws {
        do {
            let cloud = try await open()
            var found: [InstanceID: Instance] = [:]
            for (tag, value) in [
                ("kubernetes.io/cluster/\(registration.name)", nil), ("eks:cluster-name", registration.name),
                (NodeOwner.ownTag, registration.id.rawValue),
            ] as [(String, String?)] {
                for instance in try await cloud.instances(tag: tag, value: value) { found[instance.id] = instance }
            }
            let missing = snapshot.objects.nodes.compactMap(\.instance).filter { found[$0] == nil }
            for instance in try await cloud.instances(missing) { found[instance.id] = instance }
            snapshot.instances = found.values.sorted { $0.id < $1.id }
            snapshot.volumes = try await cloud.volumes(state: "available").sorted { $0.id < $1.id }
            let unknown = missing.filter { found[$0] == nil }.count
            if readsNodeGroups {
                snapshot.nodeGroups = try await nodeGroups(registration, cloud, into: &snapshot)
            }
            if unknown > 0 { snapshot.remarks.append("EC2 does not know the instances of \(unknown) nodes") }
        } catch let error as FarSideError {
            snapshot.remarks.append("the AWS account could not be read: \(error.code.rawValue) \(error.farCode)")
        }
    }

    /// Groups of nodes are one feature's alone: without permission for them everything else is read all the same.
    private func nodeGroups(
        _ registration: ClusterRegistration, _ cloud: any CloudReader, into snapshot: inout ClusterSnapshot
    ) async throws -> [NodeGroup]? {
        do {
            return try await cloud.nodeGroups(ofCluster: registration.name)
        } catch let error as FarSideError where error.isDefinite {
            snapshot.remarks.append("groups of nodes could not be read: \(error.code.rawValue) \(error.farCode)")
            return nil
        }
    }

    private func readPrices(
        _ registration: ClusterRegistration, _ prices: any Prices, into snapshot: inout ClusterSnapshot
    ) async throws {
        let now = snapshot.capturedAt
        let inUse = snapshot.objects.nodes.compactMap(\.instanceType) + (snapshot.instances ?? []).map(\.type)
        let types = Set(inUse).union(snapshot.alternativeTypes()).sorted()
        snapshot.spotPrices = try await prices.spot(
            account: registration.account, region: registration.region, types: types,
            since: now - PoolBook.priceSpan.interval
        ).sorted { ($0.pool, $0.since) < ($1.pool, $1.since) }
        snapshot.onDemandPrices = try await prices.onDemand(region: registration.region, types: types)
        snapshot.spotAdvice = try await prices.advice(region: registration.region)
        snapshot.poolIncidents = try await prices.incidents(
            account: registration.account, region: registration.region, since: now - PoolBook.incidentSpan.interval
        ).sorted { ($0.at, $0.pool, $0.kind.rawValue) < ($1.at, $1.pool, $1.kind.rawValue) }
        snapshot.unavailablePools = try await prices.unavailable(
            account: registration.account, region: registration.region, now: now
        ).sorted { ($0.pool, $0.capacity.rawValue) < ($1.pool, $1.capacity.rawValue) }
    }
}

extension JobContext {
    /// A snapshot of the job's cluster, and the policy it is to be decided by.
    /// - Throws: `FarSideError`, `QueueError`.
    public func snapshot(
        _ capture: SnapshotCapture = SnapshotCapture()
    ) async throws -> (snapshot: ClusterSnapshot, policy: ClusterPolicy) {
        let registration = try await registration()
        let policy = try await sources.policies.policy(of: registration.id)
        let cluster = try await cluster(registration)
        let snapshot = try await withoutSlot {
            try await capture.take(
                registration, cluster: cluster, cloud: { try await cloud(registration) }, prices: sources.prices,
                policy: policy, now: now)
        }
        return (snapshot, policy)
    }
}

/// A snapshot as a document.
public enum SnapshotDocument {
    /// Writes it: equal snapshots give equal text.
    /// - Throws: `QueueError` `invalid` when it holds what JSON cannot.
    public static func text(of snapshot: ClusterSnapshot) throws -> String { try JSONText(encoding: snapshot).text }

    /// Reads one.
    /// - Throws: `QueueError` `invalid` that names the field which does not fit, or the version that another build wrote.
    public static func read(_ text: String) throws -> ClusterSnapshot {
        struct Head: Decodable {
            var version: Int
        }
        let document = JSONText(text: text)
        let version = try document.decode(Head.self).version
        guard version == ClusterSnapshot.formatVersion else {
            throw QueueError(
                .invalid, "the snapshot has version \(version), this build reads \(ClusterSnapshot.formatVersion)")
        }
        return try document.decode(ClusterSnapshot.self)
    }
}
