/// HTTP in front of the clusters: paths, tokens, faults and the log.
struct KubernetesGateway: Sendable {
    let world: World
    let faults: FaultBoard
    let log: CallLog
    private let tokens: [String: [String: SimulatedRole]]

    init(configuration: SimulatorConfiguration, world: World, faults: FaultBoard, log: CallLog) {
        self.world = world
        self.faults = faults
        self.log = log
        tokens = Dictionary(
            configuration.clusters.map { ($0.name, $0.tokens) }, uniquingKeysWith: { first, _ in first })
    }

    func answer(_ request: ServerRequest) async throws -> ServerReply {
        let parts = request.path.split(separator: "/").map { FormEncoding.unescape($0.replacingPlus()[...]) }
        guard parts.count >= 2, parts[0] == "clusters", let known = tokens[parts[1]] else {
            return .json(APIStatus.noSuchPath.json, status: 404)
        }
        let cluster = parts[1]
        let probe = FaultProbe(endpoint: "kubernetes", cluster: cluster, method: request.method, path: request.path)
        let fault = await faults.hit(probe)
        if let fault, let reply = try await refuse(fault) {
            try await note(
                request, cluster: cluster, actor: "", status: reply.status, outcome: "fault:\(fault.effect.rawValue)")
            return reply
        }
        guard let token = Self.bearer(request), let role = known[token] else {
            return .json(APIStatus.unauthorized.json, status: 401)
        }
        let inner = KubernetesRequest(
            method: request.method, path: Array(parts.dropFirst(2)), query: FormEncoding.decode(request.query),
            contentType: request.header("content-type") ?? "", accept: request.header("accept") ?? "",
            body: request.body,
            role: role, user: "system:serviceaccount:cloudoptim:\(role.rawValue)")
        guard let answer = await world.answer(inner, cluster: cluster) else {
            return .json(APIStatus.noSuchPath.json, status: 404)
        }
        var reply: ServerReply
        switch answer {
        case .body(let status, let bytes):
            reply = ServerReply(status: status, contentType: "application/json", body: .bytes(bytes))
        case .watch(let session):
            reply = ServerReply(status: 200, contentType: "application/json", body: .watch(session, cluster: cluster))
        }
        try await note(
            request, cluster: cluster, actor: inner.user, status: reply.status,
            outcome: reply.status < 300 ? "ok" : "refused")
        if fault?.effect == .dropAfter { reply.isDropped = true }
        return reply
    }

    private static func bearer(_ request: ServerRequest) -> String? {
        guard let header = request.header("authorization"), header.lowercased().hasPrefix("bearer ") else { return nil }
        return String(header.dropFirst(7))
    }

    private func refuse(_ fault: FaultRule) async throws -> ServerReply? {
        func status(_ code: Int, _ reason: String, _ message: String) -> ServerReply {
            .json(APIStatus(code: code, reason: reason, message: message).json, status: code)
        }
        switch fault.effect {
        case .slow:
            try await Task.sleep(for: .seconds(fault.seconds))
            return nil
        case .dropAfter, .noCapacity: return nil
        case .dropBefore: return .dropped
        case .error:
            return status(
                fault.status, "InternalError", "an error on the server has prevented the request from succeeding")
        case .throttle:
            var reply = status(
                429, "TooManyRequests", "the server has received too many requests and has asked us to try again later")
            reply.headers = [("Retry-After", "1")]
            return reply
        case .expiredToken: return status(401, "Unauthorized", "Unauthorized")
        case .unauthorized: return status(403, "Forbidden", "forbidden by a fault")
        case .huge: return ServerReply(status: 200, contentType: "application/json", body: .huge(fault.bytes))
        }
    }

    /// Changing calls only; reads are too many and change nothing.
    private func note(_ request: ServerRequest, cluster: String, actor: String, status: Int, outcome: String)
        async throws
    {
        guard request.method != "GET", !request.path.contains("authorization.k8s.io") else { return }
        try await log.append([
            "time": .string(Timestamp.milliseconds(await world.now)), "endpoint": "kubernetes",
            "cluster": .string(cluster),
            "actor": .string(actor), "method": .string(request.method), "path": .string(request.path),
            "status": .integer(status), "outcome": .string(outcome), "executed": .bool(status < 300),
        ])
    }
}

extension Substring {
    /// A plus sign is itself in a path, unlike in a form.
    fileprivate func replacingPlus() -> String { reduce(into: "") { $0 += $1 == "+" ? "%2B" : String($1) } }
}
