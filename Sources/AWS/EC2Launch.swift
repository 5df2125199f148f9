import Infrastructure

extension AWSClient {
    /// Pools that one fleet may try; more make the request too large for EC2's liking.
    static let overridesMax = 60

    /// `CreateFleet` of type `instant` for one instance: spot `price-capacity-optimized`, on demand `lowest-price`. Pools
    /// that gave nothing are told in the answer; an answer without an instance is no error.
    /// - Parameter token: the ClientToken, the same in every attempt.
    public func createFleet(
        _ request: FleetRequest, token: String, _ options: CallOptions = CallOptions()
    ) async throws -> FleetAnswer {
        var form = FormParameters()
        form.add("ClientToken", token)
        form.add("Type", "instant")
        form.add("TargetCapacitySpecification.TotalTargetCapacity", "1")
        form.add("TargetCapacitySpecification.DefaultTargetCapacityType", request.capacity.rawValue)
        switch request.capacity {
        case .spot: form.add("SpotOptions.AllocationStrategy", "price-capacity-optimized")
        case .onDemand: form.add("OnDemandOptions.AllocationStrategy", "lowest-price")
        }
        form.add("LaunchTemplateConfigs.1.LaunchTemplateSpecification.LaunchTemplateId", request.template.id)
        form.add("LaunchTemplateConfigs.1.LaunchTemplateSpecification.Version", request.template.version)
        for (index, pool) in request.overrides.prefix(AWSClient.overridesMax).enumerated() {
            let prefix = "LaunchTemplateConfigs.1.Overrides.\(index + 1)"
            form.add("\(prefix).InstanceType", pool.type)
            form.add("\(prefix).SubnetId", pool.subnet)
            // A subnet has its zone; EC2 refuses both where they differ.
            if pool.subnet == nil { form.add("\(prefix).AvailabilityZone", pool.zone) }
        }
        form.add(tags: request.tags, forNew: ["instance", "volume"])
        let call = ServiceCall.ec2("CreateFleet", form, change: true)
        let answer = try await xml(call, options)
        let zones = Dictionary(request.overrides.map { ($0.subnet ?? "", $0.zone) }) { first, _ in first }
        return try read(call, answer) { try AWSClient.fleetAnswer($0, zonesBySubnet: zones) }
    }

    static func fleetAnswer(_ tree: XMLTree, zonesBySubnet: [String: String]) throws -> FleetAnswer {
        func pool(_ item: XMLTree) -> (type: String?, zone: String?) {
            let overrides = item["launchTemplateAndOverrides"]?["overrides"]
            let bySubnet = overrides?.string("subnetId").flatMap { zonesBySubnet[$0] }
            return (
                item.string("instanceType") ?? overrides?.string("instanceType"),
                overrides?.string("availabilityZone") ?? bySubnet
            )
        }
        let launched = tree.list("fleetInstanceSet").flatMap { item in
            item.list("instanceIds").map { id in
                FleetAnswer.Launched(
                    id: InstanceID(rawValue: id.text), type: pool(item).type ?? "", zone: pool(item).zone ?? "")
            }
        }
        guard launched.allSatisfy({ $0.id.isWellFormed }) else {
            throw XMLTree.Malformed(description: "the fleet's answer names an instance without a well-formed id")
        }
        let failures = try tree.list("errorSet").map { item in
            FleetAnswer.Failure(
                code: try item.required("errorCode"), message: String((item.string("errorMessage") ?? "").prefix(400)),
                type: pool(item).type, zone: pool(item).zone)
        }
        return FleetAnswer(launched: launched, failures: failures)
    }

    /// `RunInstances` of one instance from a launch template, in one pool.
    /// - Parameter token: the ClientToken, the same in every attempt.
    /// - Throws: `AWSError` with `insufficientCapacity` or `limitExceeded` when the pool gives nothing.
    public func runInstances(
        _ request: RunRequest, token: String, _ options: CallOptions = CallOptions()
    ) async throws -> [Instance] {
        var form = FormParameters()
        form.add("ClientToken", token)
        form.add("MinCount", "1")
        form.add("MaxCount", "1")
        form.add("LaunchTemplate.LaunchTemplateId", request.template.id)
        form.add("LaunchTemplate.Version", request.template.version)
        form.add("InstanceType", request.pool.type)
        form.add("SubnetId", request.pool.subnet)
        if request.pool.subnet == nil { form.add("Placement.AvailabilityZone", request.pool.zone) }
        if request.capacity == .spot {
            form.add("InstanceMarketOptions.MarketType", "spot")
            form.add("InstanceMarketOptions.SpotOptions.SpotInstanceType", "one-time")
        }
        form.add(tags: request.tags, forNew: ["instance", "volume"])
        let call = ServiceCall.ec2("RunInstances", form, change: true)
        let answer = try await xml(call, options)
        return try read(call, answer) { try $0.list("instancesSet").map { try Instance($0) } }
    }

    /// `TerminateInstances`, at most 1,000. One unknown id fails the whole call with `notFound`, naming it.
    public func terminateInstances(_ ids: [InstanceID], _ options: CallOptions = CallOptions()) async throws {
        guard !ids.isEmpty else { return }
        var form = FormParameters()
        form.add("InstanceId", list: ids.map(\.rawValue))
        _ = try await xml(.ec2("TerminateInstances", form, change: true), options)
    }

    /// `StopInstances`, at most 1,000; those that are stopped already stay so.
    public func stopInstances(_ ids: [InstanceID], _ options: CallOptions = CallOptions()) async throws {
        guard !ids.isEmpty else { return }
        var form = FormParameters()
        form.add("InstanceId", list: ids.map(\.rawValue))
        _ = try await xml(.ec2("StopInstances", form, change: true), options)
    }

    /// `CreateTags`: sets them, over those of the same key.
    public func createTags(
        _ resources: [String], tags: [String: String], _ options: CallOptions = CallOptions()
    ) async throws {
        guard !resources.isEmpty, !tags.isEmpty else { return }
        var form = FormParameters()
        form.add("ResourceId", list: resources)
        form.add(tags: tags)
        _ = try await xml(.ec2("CreateTags", form, change: true), options)
    }

    /// `DeleteTags`, whatever their values; absent ones are no error.
    public func deleteTags(_ resources: [String], keys: [String], _ options: CallOptions = CallOptions()) async throws {
        guard !resources.isEmpty, !keys.isEmpty else { return }
        var form = FormParameters()
        form.add("ResourceId", list: resources)
        for (index, key) in keys.enumerated() { form.add("Tag.\(index + 1).Key", key) }
        _ = try await xml(.ec2("DeleteTags", form, change: true), options)
    }

    /// Whether a dry run of the call would be allowed. Other refusals are thrown.
    public func isAllowed(_ call: (CallOptions) async throws -> Void) async throws -> Bool {
        do {
            try await call(CallOptions(dryRun: true))
        } catch let error as AWSError where error.code == .dryRunWouldSucceed {
            return true
        } catch let error as AWSError where AWSErrorTable.isMissingPermission(error.awsCode) {
            return false
        }
        throw AWSError(
            .malformedAnswer, action: "dry run", message: "EC2 carried out a call that was marked as a dry run",
            mayHaveBeenExecuted: true)
    }
}
