/// A kind of object as URLs name it: `/apis/<group>/<version>/[namespaces/<ns>/]<plural>`.
public struct ResourceKind: Sendable, Hashable {
    /// The API group, empty for the core group.
    public let group: String
    /// The group's version, such as `v1`.
    public let version: String
    /// The plural resource name, lower case.
    public let plural: String

    /// A kind we have no constant for.
    public init(group: String, version: String, plural: String) {
        self.group = group
        self.version = version
        self.plural = plural
    }

    /// core/v1 nodes
    public static let nodes = ResourceKind(group: "", version: "v1", plural: "nodes")
    /// core/v1 pods
    public static let pods = ResourceKind(group: "", version: "v1", plural: "pods")
    /// core/v1 namespaces
    public static let namespaces = ResourceKind(group: "", version: "v1", plural: "namespaces")
    /// core/v1 persistentvolumes
    public static let persistentVolumes = ResourceKind(group: "", version: "v1", plural: "persistentvolumes")
    /// core/v1 persistentvolumeclaims
    public static let persistentVolumeClaims = ResourceKind(group: "", version: "v1", plural: "persistentvolumeclaims")
    /// core/v1 events
    public static let events = ResourceKind(group: "", version: "v1", plural: "events")
    /// apps/v1 deployments
    public static let deployments = ResourceKind(group: "apps", version: "v1", plural: "deployments")
    /// apps/v1 statefulsets
    public static let statefulSets = ResourceKind(group: "apps", version: "v1", plural: "statefulsets")
    /// apps/v1 replicasets
    public static let replicaSets = ResourceKind(group: "apps", version: "v1", plural: "replicasets")
    /// apps/v1 daemonsets
    public static let daemonSets = ResourceKind(group: "apps", version: "v1", plural: "daemonsets")
    /// policy/v1 poddisruptionbudgets
    public static let podDisruptionBudgets = ResourceKind(
        group: "policy", version: "v1", plural: "poddisruptionbudgets")
    /// policy/v1beta1 poddisruptionbudgets, before Kubernetes 1.21
    public static let betaPodDisruptionBudgets = ResourceKind(
        group: "policy", version: "v1beta1", plural: "poddisruptionbudgets")
    /// storage.k8s.io/v1 volumeattachments
    public static let volumeAttachments = ResourceKind(
        group: "storage.k8s.io", version: "v1", plural: "volumeattachments")
    /// scheduling.k8s.io/v1 priorityclasses
    public static let priorityClasses = ResourceKind(
        group: "scheduling.k8s.io", version: "v1", plural: "priorityclasses")
    /// authorization.k8s.io/v1 selfsubjectrulesreviews
    static let selfSubjectRulesReviews = ResourceKind(
        group: "authorization.k8s.io", version: "v1", plural: "selfsubjectrulesreviews")

    /// The URL's path, each part percent-encoded.
    /// - Throws: `KubernetesError` with code `.invalid` for a part that would leave its place in the path.
    func path(namespace: String? = nil, name: String? = nil, subresource: String? = nil) throws -> String {
        var parts = group.isEmpty ? ["api", version] : ["apis", group, version]
        if let namespace { parts += ["namespaces", namespace] }
        parts.append(plural)
        if let name { parts.append(name) }
        if let subresource { parts += subresource.split(separator: "/").map(String.init) }
        return try parts.reduce("") { try $0 + "/" + ResourceKind.segment($1) }
    }

    private static func segment(_ part: String) throws -> String {
        guard !part.isEmpty, part != ".", part != "..", part.utf8.count <= 253 else {
            throw KubernetesError(.invalid, "\"\(part.prefix(64))\" is not a name an API path may hold")
        }
        return PercentCoding.encode(part)
    }
}

/// RFC 3986 percent-encoding of everything but unreserved characters.
enum PercentCoding {
    static func encode(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let hex = String(byte, radix: 16, uppercase: true)
                encoded += "%" + (hex.count == 1 ? "0" : "") + hex
            }
        }
        return encoded
    }
}
