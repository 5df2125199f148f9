import Infrastructure

/// One IAM action that CloudOptim's calls need, and how it can be asked for without doing anything.
public struct CloudPermission: Sendable, Hashable {
    /// How a permission is asked for.
    enum Probe: Sendable, Hashable {
        /// The call itself as a dry run, with these parameters.
        case dryRun([String: String])
        /// As a dry run about an instance of the cluster.
        case dryRunOnInstance([String: String])
        /// As a dry run about a volume of the cluster.
        case dryRunOnVolume([String: String])
        /// The call itself: it only looks.
        case call
        /// Not at all, for this reason.
        case none(String)
    }

    /// `ec2:DescribeInstances`.
    public let action: String
    /// Whether it only looks.
    public let isRead: Bool
    /// The features that need it; empty: all of them.
    public let features: [Feature]
    /// Whether we call it, or it only goes with a call: `iam:PassRole` with a launch.
    public let isCalled: Bool
    /// Whether only a part of its features needs it, which a policy turns on by itself.
    public private(set) var isOptional = false
    let probe: Probe

    private init(
        _ action: String, _ features: [Feature] = [], isRead: Bool = false, isCalled: Bool = true, _ probe: Probe
    ) {
        self.action = action
        self.isRead = isRead
        self.features = features
        self.isCalled = isCalled
        self.probe = probe
    }

    private static func look(_ action: String, _ features: [Feature] = [], _ probe: Probe = .dryRun([:])) -> Self {
        CloudPermission(action, features, isRead: true, probe)
    }

    private var optional: Self {
        var copy = self
        copy.isOptional = true
        return copy
    }

    private static let noDryRun = Probe.none("this service knows no dry run")

    /// Every action, in the order of their names. The policies of docker/onboarding grant exactly these.
    public static let all: [CloudPermission] = [
        look("autoscaling:DescribeAutoScalingGroups", [.officeHours], .call).optional,
        look("autoscaling:DescribeAutoScalingInstances", [.ghosts], .call),
        look("ec2:DescribeAvailabilityZones", [.spot]),
        look("ec2:DescribeFlowLogs", [.network]).optional,
        look("ec2:DescribeInstanceAttribute", [.ghosts], .dryRunOnInstance(["Attribute": "disableApiTermination"])),
        look("ec2:DescribeInstances"),
        look("ec2:DescribeInstanceStatus", [.interruptions]),
        look("ec2:DescribeSnapshots", [.volumes]),
        look("ec2:DescribeSpotInstanceRequests", [.ghosts]),
        look("ec2:DescribeSpotPriceHistory", [.interruptions, .spot]),
        look("ec2:DescribeSubnets", [.interruptions, .network, .spot]),
        look("ec2:DescribeVolumes", [.volumes]),
        look("eks:DescribeNodegroup", [.officeHours], .call).optional,
        look("eks:ListClusters", [.ghosts], .call),
        look("eks:ListNodegroups", [.officeHours], .call).optional,
        look("logs:FilterLogEvents", [.network], .none("only the group of the flow logs may be read")).optional,
        look("s3:GetObject", [.network], .none("only objects of flow logs may be read")).optional,
        look("s3:ListBucket", [.network], .none("only objects of flow logs may be listed")).optional,
        CloudPermission("autoscaling:CompleteLifecycleAction", [.interruptions], noDryRun),
        CloudPermission("autoscaling:CreateOrUpdateTags", [.officeHours], noDryRun).optional,
        CloudPermission("autoscaling:DeleteTags", [.officeHours], noDryRun).optional,
        CloudPermission("autoscaling:RecordLifecycleActionHeartbeat", [.interruptions], noDryRun),
        CloudPermission("autoscaling:TerminateInstanceInAutoScalingGroup", [.ghosts, .packing], noDryRun),
        CloudPermission("autoscaling:UpdateAutoScalingGroup", [.officeHours], noDryRun).optional,
        CloudPermission("ec2:CreateFleet", [.interruptions, .spot, .packing], .none("it needs the launch template")),
        CloudPermission(
            "ec2:CreateSnapshot", [.volumes],
            .dryRunOnVolume([
                "TagSpecification.1.ResourceType": "snapshot", "TagSpecification.1.Tag.1.Key": VolumeTag.effect,
                "TagSpecification.1.Tag.1.Value": "snapshot/preflight",
            ])),
        CloudPermission(
            "ec2:CreateTags", [.volumes],
            .dryRunOnVolume(["Tag.1.Key": VolumeTag.mark, "Tag.1.Value": "2000-01-01T00:00:00Z"])),
        CloudPermission("ec2:DeleteTags", [.volumes], .dryRunOnVolume(["Tag.1.Key": VolumeTag.mark])),
        CloudPermission("ec2:DeleteVolume", [.volumes], .none("only a marked volume may be deleted")),
        CloudPermission("ec2:RunInstances", [.interruptions, .spot, .packing], .none("it needs the launch template")),
        CloudPermission("ec2:StopInstances", [.ghosts], .dryRunOnInstance([:])).optional,
        CloudPermission(
            "ec2:TerminateInstances", [.ghosts, .interruptions, .packing, .spot], .dryRunOnInstance([:])),
        CloudPermission("eks:TagResource", [.officeHours], noDryRun).optional,
        CloudPermission("eks:UntagResource", [.officeHours], noDryRun).optional,
        CloudPermission("eks:UpdateNodegroupConfig", [.officeHours], noDryRun).optional,
        CloudPermission(
            "iam:PassRole", [.interruptions, .spot, .packing], isCalled: false, .none("it goes with a launch")),
        CloudPermission("sqs:DeleteMessage", [.interruptions], .none("the queue itself is asked")),
        CloudPermission("sqs:GetQueueAttributes", [.interruptions], .none("the queue itself is asked")),
        CloudPermission("sqs:ReceiveMessage", [.interruptions], .none("the queue itself is asked")),
    ]
}

extension EC2Cloud {
    /// Asks for every permission, without doing anything.
    public func permissions(of cluster: ClusterRegistration) async throws -> [PermissionAnswer] {
        let tag = EC2Filter("tag:kubernetes.io/cluster/\(cluster.name)", ["owned"])
        // Without these two looks there is nothing to ask some others about: their answers then say why.
        let instance = try await subject("instance") {
            try await client.describeInstances(filters: [tag]).first { !$0.state.isEnding }?.id.rawValue
        }
        let volume = try await subject("volume") { try await client.describeVolumes(filters: [tag]).first?.id }
        var answers: [PermissionAnswer] = []
        for permission in CloudPermission.all {
            let (outcome, detail) = try await answer(
                to: permission, about: cluster.name, instance: instance, volume: volume)
            answers.append(
                PermissionAnswer(
                    permission.action, isRead: permission.isRead, features: permission.features, outcome,
                    detail: detail,
                    isOptional: permission.isOptional))
        }
        return answers
    }

    /// Something of the cluster's that may be asked about, or why there is none.
    private struct Subject {
        var id: String?
        var problem = ""
    }

    private func subject(_ what: String, _ find: () async throws -> String?) async throws -> Subject {
        do {
            guard let id = try await find() else {
                return Subject(problem: "the cluster has no \(what) to ask about")
            }
            return Subject(id: id)
        } catch let error as AWSError where !error.code.isPassing {
            return Subject(problem: "no \(what) to ask about could be looked for: \(error.awsCode) \(error.message)")
        } catch {
            throw EC2Cloud.translation(of: error)
        }
    }

    private func answer(
        to permission: CloudPermission, about cluster: String, instance: Subject, volume: Subject
    ) async throws -> (PermissionAnswer.Outcome, String) {
        switch permission.probe {
        case .none(let reason): return (.unknown, reason)
        case .call: return try await outcome { try await call(permission.action, about: cluster) }
        case .dryRun(let parameters): return try await dryRun(permission.action, parameters)
        case .dryRunOnInstance(let parameters):
            guard let id = instance.id else { return (.unknown, instance.problem) }
            let name = permission.action == "ec2:DescribeInstanceAttribute" ? "InstanceId" : "InstanceId.1"
            return try await dryRun(permission.action, parameters.merging([name: id]) { first, _ in first })
        case .dryRunOnVolume(let parameters):
            guard let id = volume.id else { return (.unknown, volume.problem) }
            let name = permission.action == "ec2:CreateSnapshot" ? "VolumeId" : "ResourceId.1"
            return try await dryRun(permission.action, parameters.merging([name: id]) { first, _ in first })
        }
    }

    private func call(_ action: String, about cluster: String) async throws {
        switch action {
        case "eks:ListClusters": _ = try await client.listClusters()
        case "eks:ListNodegroups", "eks:DescribeNodegroup":
            // Whoever may not ask is not told whether it is there: "not found" is the answer of one who may.
            do {
                if action == "eks:ListNodegroups" {
                    _ = try await client.listNodegroups(ofCluster: cluster)
                } else {
                    _ = try await client.describeNodegroup("cloudoptim-preflight", ofCluster: cluster)
                }
            } catch let error as AWSError where error.code == .notFound {
                return
            }
        case "autoscaling:DescribeAutoScalingInstances":
            _ = try await client.describeAutoScalingInstances(["i-00000000000000000"])
        default: _ = try await client.describeAutoScalingGroups(names: ["cloudoptim-preflight"])
        }
    }

    private func dryRun(
        _ action: String, _ parameters: [String: String]
    ) async throws -> (PermissionAnswer.Outcome, String) {
        var form = FormParameters()
        for (name, value) in parameters.sorted(by: { $0.key < $1.key }) { form.add(name, value) }
        let call = ServiceCall.ec2(String(action.dropFirst("ec2:".count)), form)
        return try await outcome { _ = try await client.xml(call, CallOptions(dryRun: true)) }
    }

    private func outcome(_ body: () async throws -> Void) async throws -> (PermissionAnswer.Outcome, String) {
        do {
            try await body()
            return (.granted, "")
        } catch let error as AWSError where !error.code.isPassing {
            switch error.code {
            case .dryRunWouldSucceed: return (.granted, "")
            case .unauthorized: return (.denied, error.awsCode)
            default: return (.unknown, error.awsCode)
            }
        } catch {
            throw EC2Cloud.translation(of: error)
        }
    }
}

extension AWSError.Code {
    /// Whether it says nothing of permissions, and another time may.
    fileprivate var isPassing: Bool {
        switch self {
        case .expiredCredentials, .clockSkew, .throttled, .serverFault, .network: true
        case .dryRunWouldSucceed, .unauthorized, .notFound, .invalidRequest, .insufficientCapacity,
            .idempotentMismatch, .malformedAnswer, .limitExceeded:
            false
        }
    }
}
