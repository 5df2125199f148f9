/// A Service, as far as traffic between zones hangs on it.
public struct Service: Hashable, Sendable, Codable {
    /// Namespace.
    public var namespace: String
    /// Name.
    public var name: String
    /// UID.
    public var uid: String
    /// The resourceVersion it was read at.
    public var resourceVersion: String
    /// `ClusterIP`, `NodePort`, `LoadBalancer`, `ExternalName`.
    public var type: String
    /// Whether it has no address of its own (`clusterIP: None`).
    public var isHeadless: Bool
    /// The pods it leads to; empty: none by itself.
    public var selector: [String: String]
    /// `PreferClose`, `PreferSameZone`, …; nil: anywhere.
    public var trafficDistribution: String?
    /// `Cluster` or `Local`.
    public var internalTrafficPolicy: String
    /// The older mark `service.kubernetes.io/topology-mode`; nil: none.
    public var topologyMode: String?
    /// The tool that would undo what we write; nil: none seen.
    public var gitOps: GitOpsTool?
    /// Annotations that decide something for us.
    public var annotations: [String: String]

    /// Makes one.
    public init(
        namespace: String, name: String, uid: String, resourceVersion: String = "", type: String = "ClusterIP",
        isHeadless: Bool = false, selector: [String: String] = [:], trafficDistribution: String? = nil,
        internalTrafficPolicy: String = "Cluster", topologyMode: String? = nil, gitOps: GitOpsTool? = nil,
        annotations: [String: String] = [:]
    ) {
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.resourceVersion = resourceVersion
        self.type = type
        self.isHeadless = isHeadless
        self.selector = selector
        self.trafficDistribution = trafficDistribution
        self.internalTrafficPolicy = internalTrafficPolicy
        self.topologyMode = topologyMode
        self.gitOps = gitOps
        self.annotations = annotations
    }
}

/// One EndpointSlice, counted: never an address.
public struct EndpointCount: Hashable, Sendable, Codable {
    /// Namespace.
    public var namespace: String
    /// The slice's name.
    public var slice: String
    /// The Service; empty: none named.
    public var service: String
    /// `IPv4`, `IPv6`, `FQDN`: a Service of two families has a slice of each for the same pods.
    public var addressType: String
    /// Ready endpoints by zone name; the empty name: no zone told.
    public var readyByZone: [String: Int]

    /// Makes one.
    public init(
        namespace: String, slice: String, service: String, addressType: String = "IPv4", readyByZone: [String: Int]
    ) {
        self.namespace = namespace
        self.slice = slice
        self.service = service
        self.addressType = addressType
        self.readyByZone = readyByZone
    }
}
