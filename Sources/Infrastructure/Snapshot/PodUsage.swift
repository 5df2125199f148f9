import Foundation

/// What a container used lately.
public struct ContainerUsage: Hashable, Sendable, Codable {
    /// Its name.
    public var name: String
    /// CPU, the mean over the window.
    public var cpu: MilliCPU
    /// Working set.
    public var memory: Bytes

    /// Makes one.
    public init(name: String, cpu: MilliCPU, memory: Bytes) {
        self.name = name
        self.cpu = cpu
        self.memory = memory
    }
}

/// What a pod used lately, by `metrics.k8s.io/v1beta1`.
public struct PodUsage: Hashable, Sendable, Codable {
    /// Namespace.
    public var namespace: String
    /// The pod's name.
    public var pod: String
    /// The end of the window.
    public var at: Date
    /// How long the window is, in seconds.
    public var windowSeconds: Double
    /// Its containers.
    public var containers: [ContainerUsage]
    /// Of the pod's labels those by which its owner is told (`labelKeys`).
    public var labels: [String: String] = [:]
    /// The labels that controllers set on their pods.
    public static let labelKeys: Set<String> = [
        "pod-template-hash", "controller-revision-hash", "pod-template-generation",
        "statefulset.kubernetes.io/pod-name", "batch.kubernetes.io/job-name",
    ]

    /// Makes one.
    public init(namespace: String, pod: String, at: Date, windowSeconds: Double, containers: [ContainerUsage]) {
        self.namespace = namespace
        self.pod = pod
        self.at = at
        self.windowSeconds = windowSeconds
        self.containers = containers
    }
}
