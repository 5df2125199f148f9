/// What the API offers: `/version`, `/api`, `/apis` and the resource lists of group versions.
enum Discovery {
    static func answer(_ request: KubernetesRequest) throws -> KubernetesReply? {
        guard request.method == "GET" else { return nil }
        let path = request.path
        switch path.first {
        case nil:
            return .json(["paths": ["/api", "/apis", "/healthz", "/version"]])
        case "version": return .json(version)
        case "healthz", "livez", "readyz": return .body(status: 200, bytes: Array("ok".utf8))
        case "openapi": throw APIStatus.noSuchPath
        case "api" where path.count == 1:
            return .json(["kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []])
        case "api" where path.count == 2 && path[1] == "v1": return .json(resources("v1"))
        case "apis" where path.count == 1:
            return .json(["kind": "APIGroupList", "apiVersion": "v1", "groups": .array(groups.map(group))])
        case "apis" where path.count == 2:
            guard groups.contains(path[1]) else { throw APIStatus.noSuchPath }
            return .json(group(path[1]))
        case "apis" where path.count == 3:
            guard groups.contains(path[1]) else { throw APIStatus.noSuchPath }
            return .json(resources(path[1] + "/" + path[2]))
        default: return nil
        }
    }

    private static let version: JSONValue = [
        "major": "1", "minor": "35", "gitVersion": "v1.35.0-eks-1a2b3c4",
        "gitCommit": "0000000000000000000000000000000000000000",
        "gitTreeState": "clean", "buildDate": "2026-01-15T00:00:00Z", "goVersion": "go1.25.5", "compiler": "gc",
        "platform": "linux/amd64",
    ]

    private static let groups: [String] = {
        var names: [String] = []
        for kind in ResourceKind.all where !kind.group.isEmpty && !names.contains(kind.group) {
            names.append(kind.group)
        }
        return names + ["authorization.k8s.io"]
    }()

    private static func groupVersion(_ group: String) -> String {
        ResourceKind.all.first { $0.group == group }?.version ?? "v1"
    }

    private static func group(_ name: String) -> JSONValue {
        let version = groupVersion(name)
        let entry: JSONValue = ["groupVersion": .string(name + "/" + version), "version": .string(version)]
        // policy/v1beta1 is kept for clients that post evictions of that version only.
        let old: JSONValue = ["groupVersion": "policy/v1beta1", "version": "v1beta1"]
        return [
            "kind": "APIGroup", "apiVersion": "v1", "name": .string(name),
            "versions": name == "policy" ? [entry, old] : [entry], "preferredVersion": entry,
        ]
    }

    private static func resources(_ groupVersion: String) -> JSONValue {
        var list: [JSONValue] = []
        for kind in ResourceKind.all where kind.groupVersion == groupVersion {
            let verbs: JSONValue =
                kind.isComputed ? ["get", "list"] : ["create", "delete", "get", "list", "patch", "update", "watch"]
            list.append([
                "name": .string(kind.plural), "singularName": .string(kind.singular),
                "namespaced": .bool(kind.isNamespaced),
                "kind": .string(kind.kind), "verbs": verbs,
                "shortNames": kind.shortNames.isEmpty ? .null : .array(kind.shortNames.map { .string($0) }),
                "categories": kind.categories.isEmpty ? .null : .array(kind.categories.map { .string($0) }),
            ])
            for subresource in kind.subresources { list.append(Self.subresource(subresource, of: kind)) }
        }
        if groupVersion == "authorization.k8s.io/v1" {
            for (name, kind) in [
                ("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
                ("selfsubjectrulesreviews", "SelfSubjectRulesReview"),
            ] {
                list.append([
                    "name": .string(name), "singularName": "", "namespaced": false, "kind": .string(kind),
                    "verbs": ["create"],
                ])
            }
        }
        return [
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": .string(groupVersion),
            "resources": .array(list),
        ]
    }

    private static func subresource(_ name: String, of kind: ResourceKind) -> JSONValue {
        var entry: JSONValue = [
            "name": .string(kind.plural + "/" + name), "singularName": "", "namespaced": .bool(kind.isNamespaced),
            "kind": .string(kind.kind), "verbs": ["get", "patch", "update"],
        ]
        if name == "eviction" {
            entry["group"] = "policy"
            entry["version"] = "v1"
            entry["kind"] = "Eviction"
            entry["verbs"] = ["create"]
        }
        if name == "scale" {
            entry["group"] = "autoscaling"
            entry["version"] = "v1"
            entry["kind"] = "Scale"
        }
        return entry
    }
}
