import Foundation

/// The buttons of the world: `/_control/…` on the AWS port.
struct ControlAPI: Sendable {
    let configuration: SimulatorConfiguration
    let world: World
    let gateway: AWSGateway
    let faults: FaultBoard
    let log: CallLog

    static let prefix = "/_control/"
    /// One request interrupts at most this many nodes.
    private static let interruptionsMax = 10_000

    func answer(_ request: ServerRequest) async throws -> ServerReply {
        do {
            return .json(try await carryOut(request))
        } catch let status as APIStatus {
            return .json(["error": .string(status.message)], status: status.code)
        } catch let error as JSONError {
            return .json(["error": .string("body: \(error)")], status: 400)
        }
    }

    private func carryOut(_ request: ServerRequest) async throws -> JSONValue {
        let query = FormEncoding.decode(request.query)
        let body = request.body.isEmpty ? JSONValue.object([:]) : try JSONValue(parsing: request.body)
        switch (request.method, String(request.path.dropFirst(Self.prefix.count))) {
        case ("GET", "state"):
            var state = await world.report(cluster: query["cluster"])
            state["launchesByToken"] = await gateway.launchesByToken
            return state
        case ("GET", "world"): return try await description()
        case ("POST", "interrupt"): return try await interrupt(body)
        case ("GET", "faults"): return ["faults": await faults.list()]
        case ("POST", "faults"): return try await faults.add(body)
        case ("DELETE", "faults"):
            await faults.remove(id: query["id"].flatMap { Int($0) })
            return ["faults": await faults.list()]
        case ("POST", "kubelet/kill"):
            let cluster = try text(body, "cluster")
            let node = try text(body, "node")
            guard await world.killKubelet(cluster: cluster, node: node) else {
                throw APIStatus(code: 404, reason: "NotFound", message: "cluster \(cluster) has no node \(node)")
            }
            return ["cluster": .string(cluster), "node": .string(node), "kubelet": "dead"]
        case ("POST", "memory-need"): return try await setMemoryNeed(body)
        case ("POST", "clock/advance"):
            guard let seconds = body["seconds"].double, seconds >= 0 else {
                throw APIStatus.badRequest("seconds: a number of at least 0, found \(body["seconds"].text)")
            }
            await world.advance(seconds)
            return [
                "time": .string(Timestamp.milliseconds(await world.now)),
                "offsetSeconds": .double(await world.offsetSeconds),
            ]
        case ("GET", "log"):
            let limit = query["limit"].flatMap { Int($0) } ?? 10_000
            let matching = query.filter { !["after", "limit"].contains($0.key) }
            return await log.list(after: query["after"].flatMap { Int($0) } ?? 0, matching: matching, limit: limit)
        case ("POST", "reset"):
            try await reset()
            return ["reset": true]
        default:
            throw APIStatus(
                code: 404, reason: "NotFound",
                message:
                    "no \(request.method) \(request.path); there are GET state, world, faults, log and POST interrupt, "
                    + "faults, kubelet/kill, memory-need, clock/advance, reset and DELETE faults")
        }
    }

    /// From now on the pods of an app need this much, or leak; nothing given: they need nothing any more.
    private func setMemoryNeed(_ body: JSONValue) async throws -> JSONValue {
        let cluster = try text(body, "cluster")
        let namespace = try text(body, "namespace")
        let app = try text(body, "app")
        var need = MemoryNeed()
        need.bytes = body["needs"].isNull ? 0 : Quantity.whole(body["needs"])
        need.seconds = body["seconds"].double ?? need.seconds
        need.leakBytesPerSecond = body["leakBytesPerSecond"].double ?? 0
        let isNone = need.bytes <= 0 && need.leakBytesPerSecond <= 0
        guard
            let pods = await world.setMemoryNeed(isNone ? nil : need, cluster: cluster, namespace: namespace, app: app)
        else { throw APIStatus(code: 404, reason: "NotFound", message: "there is no cluster \(cluster)") }
        return [
            "cluster": .string(cluster), "namespace": .string(namespace), "app": .string(app), "pods": .integer(pods),
        ]
    }

    private func text(_ body: JSONValue, _ member: String) throws -> String {
        guard let text = body[member].string else {
            throw APIStatus.badRequest("\(member): a string, found \(body[member].text)")
        }
        return text
    }

    /// How to reach everything: what a person, the demo or a test needs first.
    func description() async throws -> JSONValue {
        let resources = await gateway.resources
        return [
            "seed": .string(String(configuration.seed)), "motoURL": .string(configuration.motoURL),
            "awsURL": .string(await gateway.publicURL),
            "clusters": .array(
                configuration.clusters.map { cluster in
                    var json = resources[cluster.name]?.json ?? .object([:])
                    json["name"] = .string(cluster.name)
                    json["account"] = .string(cluster.account)
                    json["region"] = .string(cluster.region)
                    json["path"] = .string("/clusters/\(cluster.name)")
                    json["roleARN"] = .string(cluster.roleARN)
                    json["externalID"] = .string(cluster.externalID)
                    json["tokens"] = .object(cluster.tokens.mapValues { .string($0.rawValue) })
                    return json
                }),
        ]
    }

    private func interrupt(_ body: JSONValue) async throws -> JSONValue {
        let cluster = try text(body, "cluster")
        guard let resources = await gateway.resources[cluster] else {
            throw APIStatus(code: 404, reason: "NotFound", message: "there is no cluster \(cluster)")
        }
        guard let kind = Notice.Kind(rawValue: body["kind"].string ?? "spot") else {
            throw APIStatus.badRequest(
                "kind: one of \(Notice.Kind.allCases.map(\.rawValue)), found \(body["kind"].text)")
        }
        guard let envelope = Notice.Envelope(rawValue: body["envelope"].string ?? "eventbridge") else {
            throw APIStatus.badRequest(
                "envelope: one of \(Notice.Envelope.allCases.map(\.rawValue)), found \(body["envelope"].text)")
        }
        let count = min(Self.interruptionsMax, body["count"].int ?? 1)
        let targets = await world.targets(
            cluster: cluster, node: body["node"].string, instanceID: body["instance"].string, count: count)
        guard !targets.isEmpty else {
            throw APIStatus(code: 404, reason: "NotFound", message: "no living node of \(cluster) matches")
        }
        var copies = body["duplicate"].bool == true ? 2 : 1
        if let number = body["duplicate"].int { copies = max(1, number + 1) }
        let notices = await world.notices(
            for: targets, kind: kind, envelope: envelope, state: body["state"].string ?? "terminated")
        let messages = notices.flatMap { notice in Array(repeating: notice.body, count: copies) }
        try await gateway.queues.send(messages, to: body["queueURL"].string ?? resources.queueURL)
        return [
            "messages": .integer(messages.count),
            "interrupted": .array(
                notices.map { notice in
                    [
                        "cluster": .string(cluster), "node": .string(notice.target.node),
                        "instanceID": .string(notice.target.instanceID), "eventID": .string(notice.eventID),
                        "time": .string(Timestamp.seconds(notice.time)),
                        "deadline": notice.deadline.map { .string(Timestamp.seconds($0)) } ?? .null,
                    ]
                }),
        ]
    }

    /// A new world on an empty moto.
    private func reset() async throws {
        await faults.remove(id: nil)
        await log.clear()
        try await gateway.emptyMoto()
        await world.forgetClusters()
        for plan in configuration.clusters { await world.populate(plan, instances: try await gateway.prepare(plan)) }
        await gateway.listens(at: gateway.publicURL)
    }
}

extension World {
    /// Notes the interruptions and writes their notices; the countdown of a spot warning runs from here.
    func notices(for targets: [Target], kind: Notice.Kind, envelope: Notice.Envelope, state: String) -> [Notice] {
        targets.map { target in
            let notice = Notice(
                kind: kind, envelope: envelope, target: target, eventID: newEventID(), time: now, state: state)
            interrupt(target, kind: kind.rawValue, deadline: notice.deadline)
            return notice
        }
    }
}

extension AWSGateway {
    func emptyMoto() async throws {
        _ = try await link.forward(
            ServerRequest(method: "POST", path: "/moto-api/reset", query: "", headers: [], body: []))
        await queues.reset()
        ledger = LaunchLedger()
        sessions = [:]
        zones = [:]
        resources = [:]
    }
}
