/// What a role may do: the rules of its ClusterRole, as SelfSubjectRulesReview lists them.
struct AccessRule: Sendable {
    var groups: [String]
    var resources: [String]
    var verbs: [String]

    func allows(group: String, resource: String, verb: String) -> Bool {
        func has(_ list: [String], _ wanted: String) -> Bool { list.contains("*") || list.contains(wanted) }
        return has(groups, group) && has(resources, resource) && has(verbs, verb)
    }

    var json: JSONValue {
        func list(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }
        return ["apiGroups": list(groups), "resources": list(resources), "verbs": list(verbs)]
    }
}

enum AccessRules {
    private static let reading = ["get", "list", "watch"]

    private static let read: [AccessRule] = [
        AccessRule(
            groups: [""],
            resources: [
                "nodes", "pods", "persistentvolumeclaims", "persistentvolumes", "namespaces", "services", "limitranges",
                "resourcequotas", "replicationcontrollers", "events",
            ], verbs: reading),
        AccessRule(
            groups: ["apps"],
            resources: [
                "deployments", "statefulsets", "replicasets", "daemonsets", "deployments/scale", "statefulsets/scale",
            ], verbs: reading),
        AccessRule(groups: ["batch"], resources: ["jobs", "cronjobs"], verbs: reading),
        AccessRule(groups: ["autoscaling"], resources: ["horizontalpodautoscalers"], verbs: reading),
        AccessRule(groups: ["policy"], resources: ["poddisruptionbudgets"], verbs: reading),
        AccessRule(
            groups: ["storage.k8s.io"], resources: ["storageclasses", "volumeattachments", "csinodes"], verbs: reading),
        AccessRule(groups: ["scheduling.k8s.io"], resources: ["priorityclasses"], verbs: reading),
        AccessRule(groups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: reading),
        AccessRule(groups: ["metrics.k8s.io"], resources: ["nodes", "pods"], verbs: ["get", "list"]),
        AccessRule(
            groups: ["authorization.k8s.io"], resources: ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
            verbs: ["create"]),
    ]

    private static let act: [AccessRule] =
        read + [
            AccessRule(groups: [""], resources: ["nodes"], verbs: ["patch", "delete"]),
            AccessRule(groups: [""], resources: ["pods"], verbs: ["delete"]),
            AccessRule(groups: [""], resources: ["pods/eviction"], verbs: ["create"]),
            AccessRule(groups: [""], resources: ["pods/resize"], verbs: ["patch"]),
            AccessRule(groups: ["", "events.k8s.io"], resources: ["events"], verbs: ["create", "patch"]),
            AccessRule(groups: ["apps"], resources: ["deployments", "statefulsets", "daemonsets"], verbs: ["patch"]),
            AccessRule(groups: [""], resources: ["services"], verbs: ["patch"]),
            AccessRule(
                groups: ["apps"], resources: ["deployments/scale", "statefulsets/scale"],
                verbs: ["get", "patch", "update"]),
            AccessRule(groups: ["batch"], resources: ["jobs", "cronjobs"], verbs: ["patch"]),
            AccessRule(groups: ["autoscaling"], resources: ["horizontalpodautoscalers"], verbs: ["patch"]),
        ]

    static func rules(_ role: SimulatedRole) -> [AccessRule] {
        switch role {
        case .readOnly: read
        case .act: act
        case .admin: [AccessRule(groups: ["*"], resources: ["*"], verbs: ["*"])]
        }
    }

    static func allows(_ role: SimulatedRole, group: String, resource: String, verb: String) -> Bool {
        rules(role).contains { $0.allows(group: group, resource: resource, verb: verb) }
    }
}
