import Infrastructure

extension AWSClient {
    /// An instance as its Auto Scaling group sees it.
    public struct AutoScalingInstance: Sendable, Hashable {
        /// The instance.
        public let id: InstanceID
        /// Its group.
        public let group: String
        /// `InService`, `Terminating:Wait`, …
        public let lifecycleState: String
        /// Whether the group may not take it down to scale in.
        public let isProtectedFromScaleIn: Bool
    }

    /// An Auto Scaling group.
    public struct AutoScalingGroup: Sendable, Hashable {
        /// Its name.
        public let name: String
        /// Fewest instances.
        public let minSize: Int
        /// Most instances.
        public let maxSize: Int
        /// Instances wanted.
        public let desiredCapacity: Int
        /// Its instances.
        public let instances: [InstanceID]
        /// Tags.
        public let tags: [String: String]
    }

    /// `DescribeAutoScalingInstances`; instances that belong to no group are left out.
    public func describeAutoScalingInstances(
        _ ids: [InstanceID], _ options: CallOptions = CallOptions()
    ) async throws -> [AutoScalingInstance] {
        // Fifty ids are what one call takes.
        var all: [AutoScalingInstance] = []
        for start in stride(from: 0, to: ids.count, by: 50) {
            var form = FormParameters()
            form.add("InstanceIds.member", list: ids[start..<min(ids.count, start + 50)].map(\.rawValue))
            let call = ServiceCall.autoScaling("DescribeAutoScalingInstances", form)
            let answer = try await xml(call, options)
            all += try read(call, answer) { tree in
                try (tree["DescribeAutoScalingInstancesResult"] ?? tree).list("AutoScalingInstances").map { item in
                    AutoScalingInstance(
                        id: InstanceID(rawValue: try item.required("InstanceId")),
                        group: try item.required("AutoScalingGroupName"),
                        lifecycleState: item.string("LifecycleState") ?? "unknown",
                        isProtectedFromScaleIn: item.string("ProtectedFromScaleIn") == "true")
                }
            }
        }
        return all
    }

    /// `DescribeAutoScalingGroups` by name; unknown ones are left out.
    public func describeAutoScalingGroups(
        names: [String], _ options: CallOptions = CallOptions()
    ) async throws -> [AutoScalingGroup] {
        var all: [AutoScalingGroup] = []
        for start in stride(from: 0, to: names.count, by: 50) {
            var form = FormParameters()
            form.add("AutoScalingGroupNames.member", list: Array(names[start..<min(names.count, start + 50)]))
            form.add("MaxRecords", "100")
            let call = ServiceCall.autoScaling("DescribeAutoScalingGroups", form)
            let answer = try await xml(call, options)
            all += try read(call, answer) { tree in
                try (tree["DescribeAutoScalingGroupsResult"] ?? tree).list("AutoScalingGroups").map(AWSClient.group)
            }
        }
        return all
    }

    /// `DescribeAutoScalingGroups` by the key of a tag, page by page.
    public func describeAutoScalingGroups(
        tagKey: String, _ options: CallOptions = CallOptions()
    ) async throws -> [AutoScalingGroup] {
        var all: [AutoScalingGroup] = []
        var token: String?
        for _ in 0..<AWSClient.groupPagesMax {
            var form = FormParameters()
            form.add("Filters.member.1.Name", "tag-key")
            form.add("Filters.member.1.Values.member.1", tagKey)
            form.add("MaxRecords", "100")
            form.add("NextToken", token)
            let call = ServiceCall.autoScaling("DescribeAutoScalingGroups", form)
            let answer = try await xml(call, options)
            let (groups, next) = try read(call, answer) { tree in
                let result = tree["DescribeAutoScalingGroupsResult"] ?? tree
                return (try result.list("AutoScalingGroups").map(AWSClient.group), result.string("NextToken"))
            }
            all += groups
            guard let next, !next.isEmpty else { return all }
            token = next
        }
        throw AWSError(
            .malformedAnswer, action: "autoscaling DescribeAutoScalingGroups",
            message: "more than \(AWSClient.groupPagesMax) pages", mayHaveBeenExecuted: false)
    }

    /// Pages that a list of groups may have; 100 groups each.
    private static let groupPagesMax = 100

    private static func group(_ item: XMLTree) throws -> AutoScalingGroup {
        func number(_ name: String) throws -> Int {
            guard let number = Int(try item.required(name)) else {
                throw XMLTree.Malformed(description: "\(name) is no number")
            }
            return number
        }
        return AutoScalingGroup(
            name: try item.required("AutoScalingGroupName"), minSize: try number("MinSize"),
            maxSize: try number("MaxSize"), desiredCapacity: try number("DesiredCapacity"),
            instances: item.list("Instances").compactMap { $0.string("InstanceId") }.map(InstanceID.init(rawValue:)),
            tags: Dictionary(
                item.list("Tags").compactMap { tag in tag.string("Key").map { ($0, tag.string("Value") ?? "") } }
            ) { $1 })
    }

    /// `TerminateInstanceInAutoScalingGroup`. Not repeated after a lost answer: with `shrinks` a repeat could be a second
    /// step down.
    public func terminateInstanceInAutoScalingGroup(
        _ id: InstanceID, shrinks: Bool, _ options: CallOptions = CallOptions()
    ) async throws {
        var form = FormParameters()
        form.add("InstanceId", id.rawValue)
        form.add("ShouldDecrementDesiredCapacity", shrinks ? "true" : "false")
        _ = try await xml(.autoScaling("TerminateInstanceInAutoScalingGroup", form, isRepeatable: false), options)
    }

    /// `CompleteLifecycleAction` with the result CONTINUE.
    public func completeLifecycleAction(_ action: LifecycleAction, _ options: CallOptions = CallOptions()) async throws
    {
        var form = AWSClient.form(action)
        form.add("LifecycleActionResult", "CONTINUE")
        _ = try await xml(.autoScaling("CompleteLifecycleAction", form), options)
    }

    /// `RecordLifecycleActionHeartbeat`: the hook's time starts anew.
    public func recordLifecycleActionHeartbeat(
        _ action: LifecycleAction, _ options: CallOptions = CallOptions()
    ) async throws {
        _ = try await xml(.autoScaling("RecordLifecycleActionHeartbeat", AWSClient.form(action)), options)
    }

    private static func form(_ action: LifecycleAction) -> FormParameters {
        var form = FormParameters()
        form.add("AutoScalingGroupName", action.group)
        form.add("LifecycleHookName", action.hook)
        form.add("LifecycleActionToken", action.token)
        form.add("InstanceId", action.instance.rawValue)
        return form
    }

    /// `UpdateAutoScalingGroup`: how many instances are wanted and kept at least.
    public func updateAutoScalingGroup(
        _ name: String, minSize: Int, desiredCapacity: Int, _ options: CallOptions = CallOptions()
    ) async throws {
        var form = FormParameters()
        form.add("AutoScalingGroupName", name)
        form.add("MinSize", String(minSize))
        form.add("DesiredCapacity", String(desiredCapacity))
        _ = try await xml(.autoScaling("UpdateAutoScalingGroup", form), options)
    }

    /// `CreateOrUpdateTags` of one tag that instances do not inherit.
    public func tagAutoScalingGroup(
        _ name: String, key: String, value: String, _ options: CallOptions = CallOptions()
    ) async throws {
        var form = AWSClient.form(tag: key, of: name)
        form.add("Tags.member.1.Value", value)
        form.add("Tags.member.1.PropagateAtLaunch", "false")
        _ = try await xml(.autoScaling("CreateOrUpdateTags", form), options)
    }

    /// `DeleteTags` of one tag; one that is not there is no error.
    public func untagAutoScalingGroup(
        _ name: String, key: String, _ options: CallOptions = CallOptions()
    ) async throws {
        _ = try await xml(.autoScaling("DeleteTags", AWSClient.form(tag: key, of: name)), options)
    }

    private static func form(tag key: String, of group: String) -> FormParameters {
        var form = FormParameters()
        form.add("Tags.member.1.ResourceId", group)
        form.add("Tags.member.1.ResourceType", "auto-scaling-group")
        form.add("Tags.member.1.Key", key)
        return form
    }
}
