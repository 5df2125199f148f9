import Foundation
import HTTPClient
import Infrastructure

/// One customer's account and region, as the product sees it: every error becomes a `FarSideError`.
public struct EC2Cloud: Cloud {
    let client: AWSClient

    /// Wraps a client.
    public init(client: AWSClient) {
        self.client = client
    }

    /// `GetCallerIdentity`.
    public func account() async throws -> String {
        try await translated { try await client.callerIdentity().account }
    }

    /// `DescribeInstances` by the filter `instance-id`, which leaves unknown ids out; 200 ids a call.
    public func instances(_ ids: [InstanceID]) async throws -> [Instance] {
        var all: [Instance] = []
        for start in stride(from: 0, to: ids.count, by: 200) {
            let some = ids[start..<min(ids.count, start + 200)].map(\.rawValue)
            all += try await translated {
                try await client.describeInstances(filters: [EC2Filter("instance-id", some)])
            }
        }
        return all
    }

    /// `DescribeInstances` by tag.
    public func instances(tag: String, value: String?) async throws -> [Instance] {
        let filter = value.map { EC2Filter("tag:\(tag)", [$0]) } ?? EC2Filter("tag-key", [tag])
        return try await translated { try await client.describeInstances(filters: [filter]) }
    }

    /// `DescribeInstances` by state.
    public func instances(states: [InstanceState]) async throws -> [Instance] {
        let filter = EC2Filter("instance-state-name", states.map(\.rawValue))
        return try await translated { try await client.describeInstances(filters: [filter]) }
    }

    /// `DescribeSpotPriceHistory`.
    public func spotPrices(types: [String], since: Date) async throws -> [SpotPrice] {
        try await translated { try await client.describeSpotPriceHistory(types: types, since: since) }
    }

    /// `DescribeAvailabilityZones`.
    public func zoneIDs() async throws -> [String: String] {
        try await translated { try await client.availabilityZones() }
    }

    /// `CreateFleet`.
    public func createFleet(_ request: FleetRequest, token: String) async throws -> FleetAnswer {
        try await translated { try await client.createFleet(request, token: token) }
    }

    /// `RunInstances`.
    public func runInstances(_ request: RunRequest, token: String) async throws -> FleetAnswer {
        let launched = try await translated { try await client.runInstances(request, token: token) }
        return FleetAnswer(launched: launched.map { .init(id: $0.id, type: $0.type, zone: $0.zone) })
    }

    /// `TerminateInstances`; when EC2 does not know some ids any more, the others are terminated alone.
    public func terminate(_ ids: [InstanceID]) async throws {
        do {
            try await translated { try await client.terminateInstances(ids) }
        } catch let error as FarSideError where error.code == .notFound {
            let left = try await instances(ids).filter { $0.state != .terminated }.map(\.id)
            guard left.isEmpty || ids.count > 1 else { throw error }
            for id in left { try await terminate([id]) }
        }
    }

    /// `StopInstances`.
    public func stop(_ ids: [InstanceID]) async throws {
        try await translated { try await client.stopInstances(ids) }
    }

    /// `CreateTags`.
    public func tag(_ resources: [String], with tags: [String: String]) async throws {
        try await translated { try await client.createTags(resources, tags: tags) }
    }

    /// `DeleteTags`.
    public func untag(_ resources: [String], keys: [String]) async throws {
        try await translated { try await client.deleteTags(resources, keys: keys) }
    }

    /// `CompleteLifecycleAction`. A hook that has ended is told as a ValidationError "No active Lifecycle Action".
    public func completeLifecycleAction(_ action: LifecycleAction) async throws {
        do {
            try await client.completeLifecycleAction(action)
        } catch let error as AWSError
            where error.awsCode == "ValidationError" && error.message.contains("No active Lifecycle Action")
        {
            return
        } catch {
            throw EC2Cloud.translation(of: error)
        }
    }

    /// `RecordLifecycleActionHeartbeat`.
    public func recordLifecycleHeartbeat(_ action: LifecycleAction) async throws {
        try await translated { try await client.recordLifecycleActionHeartbeat(action) }
    }

    /// `TerminateInstanceInAutoScalingGroup`.
    public func terminateInAutoScalingGroup(_ id: InstanceID, shrinks: Bool) async throws {
        try await translated { try await client.terminateInstanceInAutoScalingGroup(id, shrinks: shrinks) }
    }

    /// `UpdateAutoScalingGroup`, or `UpdateNodegroupConfig` of EKS.
    public func resize(_ group: NodeGroup, minSize: Int, desired: Int) async throws {
        do {
            switch group.reference.owner {
            case .autoScaling:
                try await client.updateAutoScalingGroup(
                    group.reference.name, minSize: minSize, desiredCapacity: desired)
            case .managed:
                try await client.updateNodegroupSize(
                    group.reference.name, ofCluster: group.reference.cluster, minSize: minSize, desiredSize: desired)
            }
        } catch let error as AWSError
            where ["ResourceInUseException", "ScalingActivityInProgress", "ResourceInUse"].contains(error.awsCode)
        {
            throw FarSideError(.conflict, farCode: error.awsCode, error.message)
        } catch {
            throw EC2Cloud.translation(of: error)
        }
    }

    /// Tags of Auto Scaling and of EKS.
    public func mark(_ group: NodeGroup, _ value: String?) async throws {
        let key = SleepMark.annotation
        try await translated {
            switch (group.reference.owner, value) {
            case (.autoScaling, let value?):
                try await client.tagAutoScalingGroup(group.reference.name, key: key, value: value)
            case (.autoScaling, nil): try await client.untagAutoScalingGroup(group.reference.name, key: key)
            case (.managed, let value?):
                try await client.tagEKSResource(try EC2Cloud.arn(of: group), key: key, value: value)
            case (.managed, nil): try await client.untagEKSResource(try EC2Cloud.arn(of: group), key: key)
            }
        }
    }

    private static func arn(of group: NodeGroup) throws -> String {
        guard let arn = group.arn else { throw FarSideError(.refused, "\(group.reference) has no ARN to tag it by") }
        return arn
    }

    func translated<Value>(_ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch { throw EC2Cloud.translation(of: error) }
    }

    /// An `HTTPError` comes only from fetching credentials: of calls themselves it became an `AWSError`.
    static func translation(of error: any Error) -> any Error {
        switch error {
        case let error as AWSError: FarSideError(error)
        case let error as HTTPError: FarSideError(.network, error.description, mayHaveBeenExecuted: false)
        case let error as CredentialsError: FarSideError(.badConfiguration, error.description)
        default: error
        }
    }
}
