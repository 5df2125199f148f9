/// EKS managed node groups: moto keeps their sizes and starts no node, so that each stands for Auto Scaling groups of its own.
extension AWSGateway {
    /// The one managed node group of a cluster.
    static let nodegroup = "general"

    /// Makes the cluster and its node group in moto's EKS.
    func makeNodegroup(_ plan: SimulatedCluster, count: Int, _ key: String, _ subnets: [String: String]) async throws {
        let ids = JSONValue.array(subnets.sorted { $0.key < $1.key }.map { .string($0.value) })
        let role = JSONValue.string("arn:aws:iam::\(plan.account):role/eks")
        do {
            try await link.eks(
                "/clusters", region: plan.region, accessKey: key,
                ["name": .string(plan.name), "roleArn": role, "resourcesVpcConfig": ["subnetIds": ids]])
        } catch let error as AWSError where error.status == 409 {
            // moto outlives a simulator: the cluster is there from an earlier one of the same name.
        }
        do {
            try await link.eks(
                "/clusters/\(plan.name)/node-groups", region: plan.region, accessKey: key,
                [
                    "nodegroupName": .string(Self.nodegroup), "nodeRole": role, "subnets": ids,
                    "scalingConfig": ["minSize": 0, "maxSize": 100, "desiredSize": .integer(count)],
                ])
        } catch let error as AWSError where error.status == 409 {
            // As above.
        }
    }

    /// Tags of node groups: moto tags clusters alone. nil: it is about something else.
    func tagNodegroup(_ call: AWSCall, _ request: ServerRequest) throws -> ServerReply? {
        let arn = FormEncoding.unescape(request.path.dropFirst("/tags/".count))
        guard arn.contains(":nodegroup/") else { return nil }
        if call.action == "TagResource" {
            let tags = try JSONValue(parsing: request.body)["tags"].object
            nodegroupTags[arn, default: [:]].merge(tags) { $1 }
        } else {
            let pairs = request.query.split(separator: "&").map { $0.split(separator: "=", maxSplits: 1) }
            for pair in pairs where pair.count == 2 && pair[0] == "tagKeys" {
                nodegroupTags[arn]?[FormEncoding.unescape(pair[1])] = nil
            }
        }
        return .json([:])
    }

    /// What moto's answers lack: the tags of a node group, and a word for a cluster that it does not know.
    func complete(_ reply: inout ServerReply, to call: AWSCall) throws {
        if call.action == "ListNodegroups", reply.status == 500 {
            throw AWSError(status: 404, code: "ResourceNotFoundException", message: "No cluster found for this name.")
        }
        guard call.action == "DescribeNodegroup", reply.status == 200, case .bytes(let body) = reply.body else {
            return
        }
        var answer = try JSONValue(parsing: body)
        guard let arn = answer["nodegroup"]["nodegroupArn"].string, let tags = nodegroupTags[arn] else { return }
        answer["nodegroup"]["tags"] = .object(tags)
        reply.body = .bytes(answer.bytes)
    }

    /// Gives the node group's Auto Scaling groups together the size that was set.
    func resizeNodegroup(_ call: AWSCall, _ request: ServerRequest) async throws {
        let body = try JSONValue(parsing: request.body)
        let parts = request.path.split(separator: "/").map(String.init)
        guard parts.count > 3, let desired = body["scalingConfig"]["desiredSize"].int,
            let plan = configuration.clusters.first(where: { $0.name == parts[1] }),
            let key = resources[plan.name]?.accessKey
        else { return }
        var left = desired
        for name in nodegroupGroups[plan.name] ?? [] {
            // The first groups are filled up to what they began with, the last takes the rest.
            let isLast = name.group == nodegroupGroups[plan.name]?.last?.group
            let share = isLast ? left : min(left, name.count)
            left -= share
            _ = try await link.query(
                "autoscaling", region: plan.region, accessKey: key, version: "2011-01-01",
                [
                    "Action": "UpdateAutoScalingGroup", "AutoScalingGroupName": name.group,
                    "DesiredCapacity": String(share), "MinSize": "0",
                ])
        }
        try await reconcileInstances(plan.account, region: plan.region)
    }
}
