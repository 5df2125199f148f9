/// RunInstances and CreateFleet: capacity by pool, then real instances in moto, then nodes.
extension AWSGateway {
    typealias LaunchResult = (reply: ServerReply, instanceIDs: [String])

    static let outOfCapacity = "We currently do not have sufficient capacity in the Availability Zone you requested."

    func runInstances(_ call: AWSCall, _ request: ServerRequest) async throws -> LaunchResult {
        let parameters = AWSParameters(call.parameters)
        let zone =
            parameters["Placement.AvailabilityZone"] ?? parameters["SubnetId"].flatMap { zones[$0] } ?? call.region
            + "a"
        let isSpot = parameters["InstanceMarketOptions.MarketType"] == "spot"
        let type = parameters["InstanceType"] ?? "m5.large"
        if let fault = await faults.lacksCapacity(CapacityPool(instanceType: type, zone: zone, isSpot: isSpot)) {
            throw AWSError(status: 500, code: fault.code ?? "InsufficientInstanceCapacity", message: Self.outOfCapacity)
        }
        let reply = try await link.forward(request)
        guard reply.status < 300, case .bytes(let body) = reply.body else {
            if case .bytes(let body) = reply.body {
                throw AWSError(
                    status: reply.status, code: XMLText.contents(of: "Code", in: body).first ?? "InternalError",
                    message: XMLText.contents(of: "Message", in: body).first ?? "")
            }
            return (reply, [])
        }
        let launched = Self.instances(in: body, clientToken: parameters["ClientToken"])
        for instance in launched { await world.instanceWasLaunched(instance) }
        return (reply, launched.map(\.id))
    }

    /// One pool of a fleet request: a launch template with an override.
    struct FleetPool {
        var template: AWSParameters
        var override: AWSParameters
        var type: String
        var zone: String
        var isSpot: Bool
        var price: Double
        var priority: Double
    }

    /// Type `instant`: pools are tried by the strategy's order until the target is met; each that fails is an error.
    func createFleet(_ call: AWSCall) async throws -> LaunchResult {
        let parameters = AWSParameters(call.parameters)
        guard parameters["Type"] == "instant" else {
            throw AWSError(
                status: 400, code: "UnsupportedOperation", message: "Only fleets of type instant are simulated.")
        }
        let pools = try await fleetPools(call, parameters)
        var wanted = parameters["TargetCapacitySpecification.TotalTargetCapacity"].flatMap { Int($0) } ?? 1
        var errors: [String] = []
        var instances: [String] = []
        var ids: [String] = []
        for pool in pools where wanted > 0 {
            do {
                if let fault = await faults.lacksCapacity(
                    CapacityPool(instanceType: pool.type, zone: pool.zone, isSpot: pool.isSpot))
                {
                    let code = fault.code ?? (pool.isSpot ? "UnfulfillableCapacity" : "InsufficientInstanceCapacity")
                    throw AWSError(status: 500, code: code, message: Self.outOfCapacity)
                }
                let launched = try await launch(pool, call, parameters, count: wanted)
                for instance in launched { await world.instanceWasLaunched(instance) }
                ids += launched.map(\.id)
                wanted -= launched.count
                let items = launched.map { XMLText.element("item", $0.id) }.joined()
                instances.append(
                    "<item>\(Self.describe(pool))<lifecycle>\(pool.isSpot ? "spot" : "on-demand")</lifecycle>"
                        + "<instanceIds>\(items)</instanceIds><instanceType>\(pool.type)</instanceType></item>")
            } catch let error as AWSError {
                errors.append(
                    "<item>\(Self.describe(pool))<lifecycle>\(pool.isSpot ? "spot" : "on-demand")</lifecycle>"
                        + XMLText.element("errorCode", error.code) + XMLText.element("errorMessage", error.message)
                        + "</item>")
            }
        }
        let fleet = "fleet-" + random.uuid()
        let text =
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CreateFleetResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">"
            + "<requestId>\(random.uuid())</requestId><fleetId>\(fleet)</fleetId><errorSet>\(errors.joined())</errorSet>"
            + "<fleetInstanceSet>\(instances.joined())</fleetInstanceSet></CreateFleetResponse>"
        return (.text(text, status: 200, contentType: "text/xml;charset=UTF-8"), ids)
    }

    private func fleetPools(_ call: AWSCall, _ parameters: AWSParameters) async throws -> [FleetPool] {
        let isSpot = parameters["TargetCapacitySpecification.DefaultTargetCapacityType"] == "spot"
        let now = await world.now
        var pools: [FleetPool] = []
        for configuration in parameters.groups("LaunchTemplateConfigs") {
            let template = AWSParameters(
                configuration.values.filter { $0.key.hasPrefix("LaunchTemplateSpecification.") })
            let overrides = configuration.groups("Overrides")
            for override in overrides.isEmpty ? [AWSParameters([:])] : overrides {
                let type = override["InstanceType"] ?? "m5.large"
                let subnetZone = override["SubnetId"]?.split(separator: ",").first.flatMap { zones[String($0)] }
                let zone = override["AvailabilityZone"] ?? subnetZone ?? call.region + "a"
                let price =
                    isSpot
                    ? market.price(type: type, zone: zone, at: now) : InstanceCatalogue.type(named: type).onDemandPrice
                pools.append(
                    FleetPool(
                        template: template, override: override, type: type, zone: zone, isSpot: isSpot, price: price,
                        priority: override["Priority"].flatMap { Double($0) } ?? 1e9))
            }
        }
        guard !pools.isEmpty else {
            throw AWSError(
                status: 400, code: "MissingParameter",
                message: "The request must contain the parameter LaunchTemplateConfigs")
        }
        let strategy =
            isSpot ? parameters["SpotOptions.AllocationStrategy"] : parameters["OnDemandOptions.AllocationStrategy"]
        let isByPriority = ["prioritized", "capacity-optimized-prioritized"].contains(strategy ?? "")
        return pools.sorted { isByPriority ? ($0.priority, $0.price) < ($1.priority, $1.price) : $0.price < $1.price }
    }

    private func launch(
        _ pool: FleetPool, _ call: AWSCall, _ fleet: AWSParameters, count: Int
    ) async throws -> [LaunchedInstance] {
        var parameters: [String: String] = [
            "Action": "RunInstances", "MinCount": String(count), "MaxCount": String(count), "InstanceType": pool.type,
        ]
        for (from, to) in [
            ("LaunchTemplateId", "LaunchTemplateId"), ("LaunchTemplateName", "LaunchTemplateName"),
            ("Version", "Version"),
        ] {
            parameters["LaunchTemplate.\(to)"] = pool.template["LaunchTemplateSpecification.\(from)"]
        }
        if let subnet = pool.override["SubnetId"] {
            parameters["SubnetId"] = String(subnet.prefix { $0 != "," })
        } else {
            parameters["Placement.AvailabilityZone"] = pool.zone
        }
        parameters["ImageId"] = pool.override["ImageId"]
        if pool.isSpot { parameters["InstanceMarketOptions.MarketType"] = "spot" }
        let tags = fleet.tags(for: "instance").sorted { $0.key < $1.key }
        if !tags.isEmpty { parameters["TagSpecification.1.ResourceType"] = "instance" }
        for (index, tag) in tags.enumerated() {
            parameters["TagSpecification.1.Tag.\(index + 1).Key"] = tag.key
            parameters["TagSpecification.1.Tag.\(index + 1).Value"] = tag.value
        }
        let body = try await link.ec2(region: call.region, accessKey: call.accessKey, parameters)
        return Self.instances(in: body, clientToken: fleet["ClientToken"])
    }

    private static func describe(_ pool: FleetPool) -> String {
        let template = pool.template
        return "<launchTemplateAndOverrides><launchTemplateSpecification>"
            + XMLText.element("launchTemplateId", template["LaunchTemplateSpecification.LaunchTemplateId"])
            + XMLText.element("launchTemplateName", template["LaunchTemplateSpecification.LaunchTemplateName"])
            + XMLText.element("version", template["LaunchTemplateSpecification.Version"])
            + "</launchTemplateSpecification><overrides>" + XMLText.element("instanceType", pool.type)
            + XMLText.element("subnetId", pool.override["SubnetId"]) + XMLText.element("availabilityZone", pool.zone)
            + XMLText.element("priority", pool.override["Priority"]) + "</overrides></launchTemplateAndOverrides>"
    }

    /// The instances of a RunInstances or DescribeInstances answer that are not ended.
    static func instances(in body: [UInt8], clientToken: String?) -> [LaunchedInstance] {
        XMLText.contents(of: "instancesSet", in: body).flatMap(XMLText.items).compactMap { item in
            let bytes = Array(item.utf8)
            func text(_ name: String) -> String? { XMLText.contents(of: name, in: bytes).first }
            guard let id = text("instanceId"), let state = text("instanceState") else { return nil }
            guard !state.contains("terminated"), !state.contains("shutting-down") else { return nil }
            var tags: [String: String] = [:]
            for tag in XMLText.contents(of: "tagSet", in: bytes).flatMap(XMLText.items) {
                let tag = Array(tag.utf8)
                if let key = XMLText.contents(of: "key", in: tag).first {
                    tags[key] = XMLText.contents(of: "value", in: tag).first ?? ""
                }
            }
            return LaunchedInstance(
                id: id, type: text("instanceType") ?? "m5.large", zone: text("availabilityZone") ?? "",
                isSpot: text("instanceLifecycle") == "spot", tags: tags, clientToken: clientToken)
        }
    }
}
