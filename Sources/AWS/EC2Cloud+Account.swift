import Foundation
import Infrastructure

/// What jobs about a whole account read and change.
extension EC2Cloud {
    /// Ids that one Describe call is asked for by a filter.
    private static let idsMax = 200

    /// `DescribeVolumes` by status.
    public func volumes(state: String) async throws -> [Volume] {
        try await translated { try await client.describeVolumes(filters: [EC2Filter("status", [state])]) }
    }

    /// `DescribeVolumes` by the key of a tag.
    public func volumes(tag: String) async throws -> [Volume] {
        try await translated { try await client.describeVolumes(filters: [EC2Filter("tag-key", [tag])]) }
    }

    /// `DescribeVolumes` by the filter `volume-id`, which leaves unknown ids out.
    public func volumes(_ ids: [String]) async throws -> [Volume] {
        try await chunked(ids) { try await client.describeVolumes(filters: [EC2Filter("volume-id", $0)]) }
    }

    /// `DescribeSnapshots` of our own by volume and the key of a tag.
    public func snapshots(of volumes: [String], tag: String) async throws -> [VolumeSnapshot] {
        try await chunked(volumes) {
            try await client.describeSnapshots(filters: [EC2Filter("volume-id", $0), EC2Filter("tag-key", [tag])])
        }
    }

    /// `DescribeAutoScalingInstances`.
    public func autoScalingGroups(of instances: [InstanceID]) async throws -> [InstanceID: String] {
        let found = try await translated { try await client.describeAutoScalingInstances(instances) }
        return Dictionary(found.map { ($0.id, $0.group) }) { first, _ in first }
    }

    /// `DescribeInstanceAttribute` of each; one that is gone is not protected.
    public func protected(_ instances: [InstanceID]) async throws -> Set<InstanceID> {
        var found: Set<InstanceID> = []
        for id in instances {
            do {
                if try await translated({ try await client.isTerminationProtected(id) }) { found.insert(id) }
            } catch let error as FarSideError where error.code == .notFound {
                continue
            }
        }
        return found
    }

    /// `DescribeSpotInstanceRequests` of the type `persistent`.
    public func persistentlyRequested(_ instances: [InstanceID]) async throws -> Set<InstanceID> {
        Set(try await chunked(instances.map(\.rawValue)) { try await client.describePersistentSpotRequests(of: $0) })
    }

    /// EKS `ListNodegroups` and `DescribeNodegroup`, then `DescribeAutoScalingGroups` by the cluster's tag. A cluster that EKS
    /// does not know has no managed node groups.
    public func nodeGroups(ofCluster name: String) async throws -> [NodeGroup] {
        var all: [NodeGroup] = []
        do {
            for group in try await translated({ try await client.listNodegroups(ofCluster: name) }) {
                if let found = try await nodeGroup(NodeGroupReference(.managed, cluster: name, name: group)) {
                    all.append(found)
                }
            }
        } catch let error as FarSideError where error.code == .notFound {
            all = []
        }
        let groups = try await translated {
            try await client.describeAutoScalingGroups(tagKey: "kubernetes.io/cluster/\(name)")
        }
        all += groups.filter { $0.tags["eks:nodegroup-name"] == nil }.map(NodeGroup.init)
        return all.sorted { "\($0.reference)" < "\($1.reference)" }
    }

    /// `DescribeNodegroup` or `DescribeAutoScalingGroups`.
    public func nodeGroup(_ reference: NodeGroupReference) async throws -> NodeGroup? {
        switch reference.owner {
        case .autoScaling:
            return try await translated { try await client.describeAutoScalingGroups(names: [reference.name]) }.first
                .map(
                    NodeGroup.init)
        case .managed:
            do {
                return try await translated {
                    try await client.describeNodegroup(reference.name, ofCluster: reference.cluster)
                }
            } catch let error as FarSideError where error.code == .notFound {
                return nil
            }
        }
    }

    /// `DescribeSubnets` for their VPCs, then `DescribeFlowLogs` of both; `GetCallerIdentity` for the keys in S3.
    public func flowLogs(ofSubnets ids: [String]) async throws -> [FlowLogSource] {
        guard !ids.isEmpty else { return [] }
        let networks = try await chunked(ids) { some in
            try await client.describeSubnets(filters: [EC2Filter("subnet-id", some)]).map(\.vpc)
        }
        let account = try await account()
        let found = try await chunked(Set(ids + networks).sorted()) {
            try await client.describeFlowLogs(of: $0, account: account)
        }
        return found.sorted { $0.id < $1.id }
    }

    /// `FilterLogEvents`, or `ListObjectsV2` and `GetObject` of one object.
    public func flowRecords(
        _ log: FlowLogSource, from: Date, until: Date, token: String?
    ) async throws -> FlowLogPage {
        try await translated {
            switch log.place {
            case .logGroup(let group):
                try await client.logPage(group: group, from: from, until: until, token: token)
            case .bucket(let bucket):
                try await client.flowLogPage(bucket, from: from, until: until, token: token)
            }
        }
    }

    /// EKS `ListClusters`.
    public func clusterNames() async throws -> [String] {
        try await translated { try await client.listClusters() }
    }

    /// `CreateSnapshot`.
    public func createSnapshot(
        of volume: String, description: String, tags: [String: String]
    ) async throws -> VolumeSnapshot {
        try await translated {
            try await client.createSnapshot(volume: volume, description: description, tags: tags)
        }
    }

    /// `DeleteVolume`.
    public func deleteVolume(_ id: String) async throws {
        try await translated { try await client.deleteVolume(id) }
    }

    private func chunked<Entry>(_ ids: [String], _ body: ([String]) async throws -> [Entry]) async throws -> [Entry] {
        var all: [Entry] = []
        for start in stride(from: 0, to: ids.count, by: EC2Cloud.idsMax) {
            let some = Array(ids[start..<min(ids.count, start + EC2Cloud.idsMax)])
            all += try await translated { try await body(some) }
        }
        return all
    }
}

extension NodeGroup {
    fileprivate init(_ group: AWSClient.AutoScalingGroup) {
        self.init(
            NodeGroupReference(.autoScaling, name: group.name), minSize: group.minSize, maxSize: group.maxSize,
            desired: group.desiredCapacity, instances: group.instances, tags: group.tags)
    }
}
