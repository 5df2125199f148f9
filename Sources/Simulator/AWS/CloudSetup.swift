/// What a cluster has in AWS, made when the world starts.
struct ClusterResources: Sendable {
    var queueURL: String
    var launchTemplateID: String
    var launchTemplateName: String
    /// Credentials of its account in moto.
    var accessKey: String
    /// Subnet by zone.
    var subnets: [String: String]

    var json: JSONValue {
        [
            "queueURL": .string(queueURL), "launchTemplateID": .string(launchTemplateID),
            "launchTemplateName": .string(launchTemplateName), "subnets": JSONValue(strings: subnets),
        ]
    }
}

extension AWSGateway {
    /// An access key that moto takes for the account: its own default account needs none.
    func accessKey(account: String, region: String) async throws -> String {
        if account == "123456789012" { return "SIMULATOR" }
        let body = try await link.query(
            "sts", region: region, accessKey: "SIMULATOR", version: "2011-06-15",
            [
                "Action": "AssumeRole", "RoleArn": "arn:aws:iam::\(account):role/simulator",
                "RoleSessionName": "simulator",
                "DurationSeconds": "43200",
            ])
        guard let key = XMLText.contents(of: "AccessKeyId", in: body).first else {
            throw AWSError(status: 500, code: "InternalError", message: "moto's AssumeRole answer has no AccessKeyId")
        }
        return key
    }

    /// Makes the queue, the launch template and the instances of a cluster.
    /// - Returns: the instances, in the order of the blueprint.
    func prepare(_ plan: SimulatedCluster) async throws -> [LaunchedInstance] {
        let key = try await accessKey(account: plan.account, region: plan.region)
        let subnets = try await subnets(plan, key)
        let zones = try await link.ec2(region: plan.region, accessKey: key, ["Action": "DescribeAvailabilityZones"])
        for item in XMLText.contents(of: "availabilityZoneInfo", in: zones).flatMap(XMLText.items) {
            let bytes = Array(item.utf8)
            guard let name = XMLText.contents(of: "zoneName", in: bytes).first else { continue }
            zoneIDs[name] = XMLText.contents(of: "zoneId", in: bytes).first
        }
        let template = try await launchTemplate(named: plan.resourceName, type: "m5.xlarge", plan, key)
        let queueURL = try await queues.create(
            plan.resourceName, account: plan.account, region: plan.region, address: publicURL,
            attributes: ["MessageRetentionPeriod": "300", "VisibilityTimeout": "30"])
        resources[plan.name] = ClusterResources(
            queueURL: queueURL, launchTemplateID: template, launchTemplateName: plan.resourceName,
            accessKey: key, subnets: subnets)
        var instances: [LaunchedInstance] = []
        for (index, group) in Blueprint(plan: plan, seed: configuration.seed).groups.enumerated() {
            instances += try await launch(group, index: index, plan, key, subnets)
        }
        if let groups = nodegroupGroups[plan.name] {
            try await makeNodegroup(plan, count: groups.map(\.count).reduce(0, +), key, subnets)
        }
        return instances
    }

    private func subnets(_ plan: SimulatedCluster, _ key: String) async throws -> [String: String] {
        let body = try await link.ec2(region: plan.region, accessKey: key, ["Action": "DescribeSubnets"])
        var result: [String: String] = [:]
        for item in XMLText.contents(of: "subnetSet", in: body).flatMap(XMLText.items) {
            let bytes = Array(item.utf8)
            guard let id = XMLText.contents(of: "subnetId", in: bytes).first,
                let zone = XMLText.contents(of: "availabilityZone", in: bytes).first
            else { continue }
            zones[id] = zone
            if plan.zones.contains(zone) { result[zone] = id }
        }
        return result
    }

    private func launchTemplate(
        named name: String, type: String, _ plan: SimulatedCluster, _ key: String
    ) async throws -> String {
        let tags = [("kubernetes.io/cluster/\(plan.name)", "owned"), ("Name", plan.resourceName)]
        var parameters = [
            "Action": "CreateLaunchTemplate", "LaunchTemplateName": name,
            "LaunchTemplateData.ImageId": "ami-12c6146b", "LaunchTemplateData.InstanceType": type,
            "LaunchTemplateData.TagSpecification.1.ResourceType": "instance",
        ]
        for (index, tag) in tags.enumerated() {
            parameters["LaunchTemplateData.TagSpecification.1.Tag.\(index + 1).Key"] = tag.0
            parameters["LaunchTemplateData.TagSpecification.1.Tag.\(index + 1).Value"] = tag.1
        }
        let body = try await link.ec2(region: plan.region, accessKey: key, parameters)
        return XMLText.contents(of: "launchTemplateId", in: body).first ?? ""
    }

    private func launch(
        _ group: Blueprint.NodeGroup, index: Int, _ plan: SimulatedCluster, _ key: String, _ subnets: [String: String]
    ) async throws -> [LaunchedInstance] {
        var tags = ["kubernetes.io/cluster/\(plan.name)": "owned", "Name": "\(plan.name)-\(group.owner.rawValue)"]
        let groupName = "\(plan.resourceName)-\(index)"
        switch group.owner {
        case .ours: tags["cloudoptim.io/pool"] = "default"
        case .managedNodeGroup:
            tags["eks:nodegroup-name"] = Self.nodegroup
            tags["eks:cluster-name"] = plan.name
        case .karpenter: tags["karpenter.sh/nodepool"] = "default"
        case .autoScalingGroup, .unknown: break
        }
        var parameters: [String: String] = [
            "Action": "RunInstances", "MinCount": String(group.count), "MaxCount": String(group.count),
            "InstanceType": group.type, "ImageId": "ami-12c6146b", "SubnetId": subnets[group.zone] ?? "",
            "TagSpecification.1.ResourceType": "instance",
        ]
        if group.isSpot { parameters["InstanceMarketOptions.MarketType"] = "spot" }
        for (index, tag) in tags.sorted(by: { $0.key < $1.key }).enumerated() {
            parameters["TagSpecification.1.Tag.\(index + 1).Key"] = tag.key
            parameters["TagSpecification.1.Tag.\(index + 1).Value"] = tag.value
        }
        let body = try await link.ec2(region: plan.region, accessKey: key, parameters)
        var instances = Self.instances(in: body, clientToken: nil)
        if group.owner == .autoScalingGroup || group.owner == .managedNodeGroup {
            try await attach(instances, to: groupName, group, plan, key, subnets)
            for index in instances.indices { instances[index].tags["aws:autoscaling:groupName"] = groupName }
        }
        return instances
    }

    /// A real Auto Scaling group around instances that exist: from then on moto replaces them.
    private func attach(
        _ instances: [LaunchedInstance], to name: String, _ group: Blueprint.NodeGroup, _ plan: SimulatedCluster,
        _ key: String, _ subnets: [String: String]
    ) async throws {
        func call(_ parameters: [String: String]) async throws {
            _ = try await link.query(
                "autoscaling", region: plan.region, accessKey: key, version: "2011-01-01", parameters)
        }
        // Its own template: what comes back after a night is of the type that went.
        _ = try await launchTemplate(named: name, type: group.type, plan, key)
        var parameters = [
            "Action": "CreateAutoScalingGroup", "AutoScalingGroupName": name, "MinSize": "0", "MaxSize": "100",
            "DesiredCapacity": "0", "VPCZoneIdentifier": subnets[group.zone] ?? "",
            "LaunchTemplate.LaunchTemplateName": name, "LaunchTemplate.Version": "$Latest",
            "Tags.member.1.Key": "kubernetes.io/cluster/\(plan.name)", "Tags.member.1.Value": "owned",
            "Tags.member.1.PropagateAtLaunch": "true", "Tags.member.1.ResourceType": "auto-scaling-group",
            "Tags.member.1.ResourceId": name,
        ]
        if group.owner == .managedNodeGroup {
            nodegroupGroups[plan.name, default: []].append((name, group.count))
            parameters["Tags.member.2.Key"] = "eks:nodegroup-name"
            parameters["Tags.member.2.Value"] = Self.nodegroup
            parameters["Tags.member.2.PropagateAtLaunch"] = "true"
            parameters["Tags.member.2.ResourceType"] = "auto-scaling-group"
            parameters["Tags.member.2.ResourceId"] = name
        }
        try await call(parameters)
        var attachment = ["Action": "AttachInstances", "AutoScalingGroupName": name]
        for (index, instance) in instances.enumerated() { attachment["InstanceIds.member.\(index + 1)"] = instance.id }
        try await call(attachment)
    }

    /// Compares moto's instances with the nodes: what a group launched joins, what it ended goes.
    func reconcileInstances(_ account: String, region: String) async throws {
        for plan in configuration.clusters where plan.account == account && plan.region == region {
            guard let key = resources[plan.name]?.accessKey else { continue }
            let body = try await link.ec2(
                region: region, accessKey: key,
                [
                    "Action": "DescribeInstances", "Filter.1.Name": "tag-key",
                    "Filter.1.Value.1": "kubernetes.io/cluster/\(plan.name)",
                ])
            let living = Self.instances(in: body, clientToken: nil)
            let known = await world.knownInstances(of: plan.name)
            for instance in living where known[instance.id] == nil { await world.instanceWasLaunched(instance) }
            let ids = Set(living.map(\.id))
            for (id, isAlive) in known where isAlive && !ids.contains(id) {
                await world.instanceWasTerminated(id, actor: "autoscaling")
            }
        }
    }

    /// Ends in moto what the world has ended: the two minutes of a spot warning are over.
    func terminate(_ instance: World.EndedInstance) async throws {
        guard let key = resources[instance.cluster]?.accessKey else { return }
        _ = try await link.ec2(
            region: instance.region, accessKey: key, ["Action": "TerminateInstances", "InstanceId.1": instance.id])
        try await log.append([
            "time": .string(Timestamp.milliseconds(await world.now)), "endpoint": "simulator", "service": "ec2",
            "action": "SpotTermination", "instanceIDs": [.string(instance.id)], "actor": "spot-interruption",
            "outcome": "ok",
            "executed": true,
        ])
        try await reconcileInstances(instance.account, region: instance.region)
    }
}
