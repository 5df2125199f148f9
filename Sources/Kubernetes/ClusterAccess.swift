import Infrastructure

/// One verb on one resource that CloudOptim uses in a cluster.
public struct ClusterAccess: Sendable, Hashable {
    /// `get`, `list`, `patch`, …
    public let verb: String
    /// The API group; empty: the core group.
    public let group: String
    /// `pods`, `pods/eviction`.
    public let resource: String
    /// The features that need it; empty: all of them.
    public let features: [Feature]
    /// Whether a look needs it; else only a change does, be it to read what it changes.
    public let isRead: Bool

    init(_ verb: String, _ resource: String, group: String = "", _ features: [Feature] = [], isRead: Bool = false) {
        self.verb = verb
        self.group = group
        self.resource = resource
        self.features = features
        self.isRead = isRead
    }

    /// Its name: `patch nodes`, `list deployments.apps`.
    public var name: String { "\(verb) \(resource)\(group.isEmpty ? "" : ".\(group)")" }

    /// What every look needs.
    public static let reads: [ClusterAccess] =
        [ClusterAccess("get", "nodes", isRead: true)]
        + ClusterList.allCases.map { list in
            let kind = ResourceKind.of(list)
            return ClusterAccess("list", kind.plural, group: kind.group, features(of: list), isRead: true)
        }

    /// What every change needs.
    public static let changes: [ClusterAccess] =
        [
            ClusterAccess("patch", "nodes", [.interruptions, .packing, .spot]),
            ClusterAccess("delete", "nodes", [.interruptions, .packing, .spot]),
            ClusterAccess("create", "pods/eviction", [.interruptions, .packing, .spot]),
            ClusterAccess("delete", "pods", [.interruptions]),
            ClusterAccess("create", "events", [.interruptions, .packing, .spot]),
            ClusterAccess("patch", "deployments/scale", group: "apps", [.officeHours]),
            ClusterAccess("patch", "statefulsets/scale", group: "apps", [.officeHours]),
        ]
        + changed("deployments", group: "apps", [.network, .officeHours, .oom, .rightsizing])
        + changed("statefulsets", group: "apps", [.officeHours, .oom, .rightsizing])
        + changed("daemonsets", group: "apps", [.oom, .rightsizing])
        + changed("cronjobs", group: "batch", [.officeHours, .oom, .rightsizing])
        + changed("horizontalpodautoscalers", group: "autoscaling", [.officeHours])
        + changed("services", group: "", [.network])

    /// An object is read under its name before it is patched.
    private static func changed(_ resource: String, group: String, _ features: [Feature]) -> [ClusterAccess] {
        ["get", "patch"].map { ClusterAccess($0, resource, group: group, features) }
    }

    /// The features that cannot do without a list; what need not be installed no feature needs.
    private static func features(of list: ClusterList) -> [Feature] {
        switch list {
        case .nodes: []
        case .pods: Feature.allCases.filter { $0 != .volumes && $0 != .ghosts }
        case .budgets: [.interruptions, .packing, .spot]
        case .volumes, .claims, .attachments: [.packing, .spot, .volumes]
        case .storageClasses, .volumeLimits, .priorityClasses: [.packing, .spot]
        case .deployments, .statefulSets, .daemonSets, .replicaSets, .jobs, .cronJobs:
            [.network, .officeHours, .oom, .packing, .rightsizing, .spot]
        case .horizontalAutoscalers: [.officeHours, .rightsizing]
        case .verticalAutoscalers, .scaledObjects, .snapshotContents: []
        case .namespaces: [.officeHours, .rightsizing]
        case .limitRanges, .quotas: [.oom, .rightsizing]
        case .services, .endpoints: [.network]
        case .usage: [.rightsizing]
        }
    }
}

extension RemoteCluster {
    /// Asks which verbs our credential has, cluster-wide.
    /// - Throws: `FarSideError`.
    public func permissions() async throws -> [PermissionAnswer] {
        do {
            let rules = try await client.permissions(options: options)
            let optional = Set(ClusterList.optional.map { ResourceKind.of($0).group })
            return (ClusterAccess.reads + ClusterAccess.changes).map { access in
                let isGranted = rules.allows(access.verb, access.resource, group: access.group)
                // An authorizer that cannot list its rules may still grant; what need not be installed is not missed.
                let isOpen = rules.incomplete || optional.contains(access.group)
                return PermissionAnswer(
                    access.name, isRead: access.isRead, features: access.features,
                    isGranted ? .granted : isOpen ? .unknown : .denied,
                    detail: isGranted || !isOpen ? "" : "the API server lists not all its rules, or it is optional")
            }
        } catch let error as KubernetesError {
            throw error.farSide
        }
    }
}
