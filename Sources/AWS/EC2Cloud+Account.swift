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
