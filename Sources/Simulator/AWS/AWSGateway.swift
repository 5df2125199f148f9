import HTTPClient
import Logging

/// The one AWS endpoint: moto behind it, and in front of moto what moto lacks.
actor AWSGateway {
    let configuration: SimulatorConfiguration
    let link: CloudLink
    let world: World
    let faults: FaultBoard
    let log: CallLog
    let market: SpotMarket
    let queues = QueueService()
    let logger: Logger
    var ledger = LaunchLedger()
    /// Assumed-role credentials by access key.
    var sessions: [String: Session] = [:]
    /// Zone of each subnet, by id.
    var zones: [String: String] = [:]
    /// What the set-up made, by cluster.
    var resources: [String: ClusterResources] = [:]
    /// The tags of managed node groups, by ARN.
    var nodegroupTags: [String: [String: JSONValue]] = [:]
    /// The Auto Scaling groups of each cluster's managed node group, with the nodes they began with.
    var nodegroupGroups: [String: [(group: String, count: Int)]] = [:]
    /// Id of each zone.
    var zoneIDs: [String: String] = [:]
    /// Where clients reach this gateway, once it listens.
    private(set) var publicURL = ""
    var random: SeededRandom

    struct Session: Sendable {
        var account: String
        var roleARN: String
        var name: String
    }

    init(configuration: SimulatorConfiguration, world: World, faults: FaultBoard, log: CallLog, logger: Logger) {
        self.configuration = configuration
        self.world = world
        self.faults = faults
        self.log = log
        self.logger = logger
        link = CloudLink(motoURL: configuration.motoURL)
        market = SpotMarket(seed: configuration.seed)
        random = SeededRandom(seed: configuration.seed, for: "aws")
    }

    /// From now on queue addresses name this endpoint.
    func listens(at url: String) {
        publicURL = url
        for name in resources.keys {
            guard let address = resources[name]?.queueURL else { continue }
            resources[name]?.queueURL = url + "/" + address.split(separator: "/").suffix(2).joined(separator: "/")
        }
    }

    func answer(_ request: ServerRequest) async throws -> ServerReply {
        let call = AWSCall(request)
        let probe = FaultProbe(
            endpoint: "aws", method: request.method, path: request.path, service: call.service, action: call.action)
        let fault = await faults.hit(probe)
        if let fault, let reply = try await refuse(call, fault) {
            if call.isChange {
                try await note(call, outcome: "fault:\(fault.effect.rawValue)", status: reply.status, executed: false)
            }
            return reply
        }
        var reply: ServerReply
        do {
            reply = try await carryOut(call, request)
        } catch let error as AWSError {
            reply = error.reply(to: call)
            if call.isChange { try await note(call, outcome: error.code, status: error.status, executed: false) }
        } catch let error as HTTPError {
            logger.error("moto did not answer", metadata: ["error": "\(error)", "action": "\(call.action)"])
            reply = AWSError(status: 503, code: "ServiceUnavailable", message: "moto: \(error)").reply(to: call)
        }
        if fault?.effect == .dropAfter { reply.isDropped = true }
        return reply
    }

    /// The answer of a fault that keeps the call from acting; nil for one that lets it act.
    private func refuse(_ call: AWSCall, _ fault: FaultRule) async throws -> ServerReply? {
        func error(_ status: Int, _ code: String, _ message: String) -> ServerReply {
            AWSError(status: status, code: fault.code ?? code, message: message).reply(to: call)
        }
        switch fault.effect {
        case .slow:
            try await Task.sleep(for: .seconds(fault.seconds))
            return nil
        case .dropAfter, .noCapacity: return nil
        case .dropBefore: return .dropped
        case .error: return error(fault.status, "InternalError", "An internal error has occurred")
        case .throttle:
            return call.service == "ec2"
                ? error(503, "RequestLimitExceeded", "Request limit exceeded.")
                : error(400, "ThrottlingException", "Rate exceeded")
        case .expiredToken:
            return call.service == "ec2"
                ? error(400, "RequestExpired", "Request has expired.")
                : error(403, "ExpiredToken", "The security token included in the request is expired")
        case .unauthorized:
            return call.service == "ec2"
                ? error(403, "UnauthorizedOperation", "You are not authorized to perform this operation.")
                : error(403, "AccessDenied", "User is not authorized to perform: \(call.service):\(call.action)")
        case .huge: return ServerReply(status: 200, contentType: "text/xml", body: .huge(fault.bytes))
        }
    }

    private func carryOut(_ call: AWSCall, _ request: ServerRequest) async throws -> ServerReply {
        switch (call.service, call.action) {
        case ("ec2", "RunInstances"): return try await once(call) { try await self.runInstances(call, request) }
        case ("ec2", "CreateFleet"): return try await once(call) { try await self.createFleet(call) }
        case ("ec2", "DescribeSpotPriceHistory"): return market.answer(call, now: await world.now, zoneIDs: zoneIDs)
        case ("pricing", "GetProducts"): return PriceList.answer(call)
        case ("sts", "AssumeRole"): return try await assumeRole(call, request)
        case ("sqs", _) where call.isJSON:
            var reply = ServerReply.json(
                try await queues.answer(call, account: account(call), address: publicURL))
            reply.contentType = "application/x-amz-json-1.0"
            if call.isChange { try await note(call, outcome: "ok", status: reply.status, executed: true) }
            return reply
        case ("eks", "TagResource"), ("eks", "UntagResource"):
            if let reply = try tagNodegroup(call, request) {
                try await note(call, outcome: "ok", status: reply.status, executed: true)
                return reply
            }
        default: break
        }
        var reply = try await link.forward(request)
        if call.service == "eks" { try complete(&reply, to: call) }
        if reply.status < 300, case .bytes(let body) = reply.body {
            if call.service == "ec2", call.action == "TerminateInstances" {
                for id in AWSParameters(call.parameters).list("InstanceId") {
                    await world.instanceWasTerminated(id, actor: actor(call))
                }
            }
            if call.service == "eks", call.action == "UpdateNodegroupConfig" {
                try await resizeNodegroup(call, request)
            }
            if call.service == "autoscaling", call.isChange {
                try await reconcileInstances(account(call), region: call.region)
            }
            if call.isChange { try await note(call, outcome: "ok", status: reply.status, executed: true) }
            _ = body
        } else if call.isChange {
            try await note(call, outcome: "refused", status: reply.status, executed: false)
        }
        return reply
    }

    /// Runs a launch at most once per ClientToken.
    private func once(
        _ call: AWSCall, _ body: () async throws -> (reply: ServerReply, instanceIDs: [String])
    ) async throws -> ServerReply {
        guard let token = call.parameters["ClientToken"], !token.isEmpty else {
            let result = try await body()
            try await note(
                call, outcome: "ok", status: result.reply.status, executed: true, instanceIDs: result.instanceIDs)
            return result.reply
        }
        let key = LaunchLedger.key(call, account: account(call), token: token)
        let fingerprint = LaunchLedger.fingerprint(call)
        while true {
            switch ledger.begin(key, fingerprint: fingerprint) {
            case .mismatch:
                throw AWSError(
                    status: 400, code: "IdempotentParameterMismatch",
                    message: "The token '\(token)' was already used with other parameters.")
            case .wait: await withCheckedContinuation { ledger.wait(key, $0) }
            case .replay(let launch):
                try await note(
                    call, outcome: "replayed", status: launch.reply.status, executed: false,
                    instanceIDs: launch.instanceIDs)
                return launch.reply
            case .execute:
                do {
                    let result = try await body()
                    // A fleet that launched nothing keeps its token: asking again gives the same errors.
                    ledger.end(
                        key,
                        launch: LaunchLedger.Launch(
                            fingerprint: fingerprint, instanceIDs: result.instanceIDs, reply: result.reply))
                    try await note(
                        call, outcome: "ok", status: result.reply.status, executed: true,
                        instanceIDs: result.instanceIDs)
                    return result.reply
                } catch {
                    ledger.end(key, launch: nil)
                    throw error
                }
            }
        }
    }

    // MARK: who

    func account(_ call: AWSCall) -> String { sessions[call.accessKey]?.account ?? "123456789012" }

    func actor(_ call: AWSCall) -> String {
        sessions[call.accessKey].map { "\($0.roleARN)/\($0.name)" } ?? call.accessKey
    }

    /// STS, with the check of ExternalId that moto does not make.
    private func assumeRole(_ call: AWSCall, _ request: ServerRequest) async throws -> ServerReply {
        let role = call.parameters["RoleArn"] ?? ""
        if let cluster = configuration.clusters.first(where: { $0.roleARN == role }),
            call.parameters["ExternalId"] != cluster.externalID
        {
            throw AWSError(
                status: 403, code: "AccessDenied",
                message: "User: \(actor(call)) is not authorized to perform: sts:AssumeRole on resource: \(role)")
        }
        let reply = try await link.forward(request)
        if reply.status < 300, case .bytes(let body) = reply.body,
            let key = XMLText.contents(of: "AccessKeyId", in: body).first
        {
            let parts = role.split(separator: ":")
            sessions[key] = Session(
                account: parts.count > 4 ? String(parts[3]) : "123456789012", roleARN: role,
                name: call.parameters["RoleSessionName"] ?? "")
        }
        return reply
    }

    func note(_ call: AWSCall, outcome: String, status: Int, executed: Bool, instanceIDs: [String] = []) async throws {
        var parameters = call.isJSON ? call.json : JSONValue(strings: call.parameters)
        parameters["UserData"] = .null
        try await log.append([
            "time": .string(Timestamp.milliseconds(await world.now)), "endpoint": "aws",
            "service": .string(call.service),
            "action": .string(call.action), "region": .string(call.region), "account": .string(account(call)),
            "actor": .string(actor(call)),
            "clientToken": call.parameters["ClientToken"].map { .string($0) } ?? .null, "parameters": parameters,
            "outcome": .string(outcome), "status": .integer(status), "executed": .bool(executed),
            "instanceIDs": instanceIDs.isEmpty ? .null : .array(instanceIDs.map { .string($0) }),
        ])
    }

    /// Launches that were carried out, by token: what an outsider counts doubled effects by.
    var launchesByToken: JSONValue {
        .object(
            Dictionary(
                ledger.launches.map { key, launch in
                    (
                        String(key.split(separator: "/").last ?? ""),
                        [
                            "instanceIDs": .array(launch.instanceIDs.map { .string($0) }),
                            "replays": .integer(launch.replays),
                        ] as JSONValue
                    )
                }, uniquingKeysWith: { first, _ in first }))
    }
}
