/// Takes requests apart: discovery, reviews, and verbs on resources.
extension ClusterState {
    /// A resource path: kind, namespace, name, subresource.
    struct Target {
        var kind: ResourceKind
        var namespace: String?
        var name: String?
        var subresource: String?

        var key: ObjectKey { ObjectKey(namespace: kind.isNamespaced ? namespace ?? "" : "", name: name ?? "") }
        var resource: String { subresource.map { kind.plural + "/" + $0 } ?? kind.plural }
    }

    func answer(_ request: KubernetesRequest) -> KubernetesReply {
        currentActor = request.user
        defer { currentActor = "system:simulator" }
        do {
            if let reply = try Discovery.answer(request) { return reply }
            if request.path.first == "apis", request.path.dropFirst().first == "authorization.k8s.io" {
                return try review(request)
            }
            guard let target = Self.target(request.path) else { throw APIStatus.noSuchPath }
            let reply = try carryOut(request, on: target)
            if request.method != "GET" { reconcile() }
            return reply
        } catch let status as APIStatus {
            return .json(status.json, status: status.code)
        } catch {
            return .json(APIStatus(code: 500, reason: "InternalError", message: "\(error)").json, status: 500)
        }
    }

    static func target(_ path: [String]) -> Target? {
        var rest = path[...]
        let groupVersion: String
        if rest.first == "api" {
            rest = rest.dropFirst()
            groupVersion = rest.first ?? ""
            rest = rest.dropFirst()
        } else if rest.first == "apis", rest.count >= 3 {
            groupVersion = rest.dropFirst().prefix(2).joined(separator: "/")
            rest = rest.dropFirst(3)
        } else {
            return nil
        }
        var namespace: String?
        let parts = Array(rest)
        if parts.first == "namespaces", parts.count >= 3, !["status", "finalize"].contains(parts[2]) {
            namespace = parts[1]
            rest = parts[2...]
        }
        guard let plural = rest.first, let kind = ResourceKind.byID[groupVersion + "/" + plural], rest.count <= 3 else {
            return nil
        }
        let tail = Array(rest.dropFirst())
        let subresource = tail.count > 1 ? tail[1] : nil
        if let subresource, !kind.subresources.contains(subresource) { return nil }
        if tail.first != nil, kind.isNamespaced, namespace == nil { return nil }
        return Target(kind: kind, namespace: namespace, name: tail.first, subresource: subresource)
    }

    private func verb(_ request: KubernetesRequest, _ target: Target) throws -> String {
        let isWatch = ["true", "1"].contains(request.query["watch"] ?? "")
        switch (request.method, target.name == nil) {
        case ("GET", false): return "get"
        case ("GET", true): return isWatch ? "watch" : "list"
        case ("POST", _): return "create"
        case ("PUT", false): return "update"
        case ("PATCH", false): return "patch"
        case ("DELETE", false): return "delete"
        case ("DELETE", true): return "deletecollection"
        default: throw APIStatus.methodNotAllowed()
        }
    }

    private func carryOut(_ request: KubernetesRequest, on target: Target) throws -> KubernetesReply {
        let verb = try verb(request, target)
        guard AccessRules.allows(request.role, group: target.kind.group, resource: target.resource, verb: verb) else {
            throw forbidden(request, target, verb)
        }
        switch (verb, target.subresource) {
        case ("create", "eviction"): return try evict(request, target)
        case (_, "scale"): return try scale(request, target, verb: verb)
        case ("get", _): return .body(status: 200, bytes: try get(request, target))
        case ("list", _): return try list(request, target)
        case ("watch", _): return try watch(request, target)
        case ("create", nil): return try create(request, target)
        case ("update", _): return try replace(request, target)
        case ("patch", _): return try patch(request, target)
        case ("delete", nil): return try delete(request, target)
        default: throw APIStatus.methodNotAllowed()
        }
    }

    private func forbidden(_ request: KubernetesRequest, _ target: Target, _ verb: String) -> APIStatus {
        let scope = target.namespace.map { "in the namespace \"\($0)\"" } ?? "at the cluster scope"
        let what =
            "User \"\(request.user)\" cannot \(verb) resource \"\(target.resource)\" in API group "
            + "\"\(target.kind.group)\" \(scope)"
        let name = target.name.map { " \"\($0)\"" } ?? ""
        return APIStatus(
            code: 403, reason: "Forbidden", message: "\(target.kind.qualifiedPlural)\(name) is forbidden: \(what)",
            details: [
                "name": target.name.map { .string($0) } ?? .null, "kind": .string(target.kind.plural),
                "group": target.kind.group.isEmpty ? .null : .string(target.kind.group),
            ])
    }

    /// SelfSubjectAccessReview and SelfSubjectRulesReview.
    private func review(_ request: KubernetesRequest) throws -> KubernetesReply {
        guard request.method == "POST", let resource = request.path.last else { throw APIStatus.noSuchPath }
        var body = try request.json()
        body["apiVersion"] = "authorization.k8s.io/v1"
        switch resource {
        case "selfsubjectaccessreviews":
            let asked = body["spec"]["resourceAttributes"]
            let name = asked["resource"].string ?? ""
            let allowed =
                asked.isNull
                || AccessRules.allows(
                    request.role, group: asked["group"].string ?? "",
                    resource: asked["subresource"].string.map { name + "/" + $0 } ?? name,
                    verb: asked["verb"].string ?? "")
            body["kind"] = "SelfSubjectAccessReview"
            body["status"] = [
                "allowed": .bool(allowed), "reason": allowed ? "RBAC: allowed by ClusterRoleBinding" : .null,
            ]
        case "selfsubjectrulesreviews":
            body["kind"] = "SelfSubjectRulesReview"
            body["status"] = [
                "resourceRules": .array(AccessRules.rules(request.role).map(\.json)),
                "nonResourceRules": [
                    ["verbs": ["get"], "nonResourceURLs": ["/healthz", "/version", "/api", "/apis"]]
                ],
                "incomplete": false,
            ]
        default: throw APIStatus.noSuchPath
        }
        return .json(body, status: 201)
    }
}
