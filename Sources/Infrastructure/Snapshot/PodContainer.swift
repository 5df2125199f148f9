import Foundation

/// What a container is to its pod.
public enum ContainerRole: String, Hashable, Sendable, Codable {
    /// Runs as long as the pod.
    case main
    /// Runs once, before the main ones.
    case initial = "init"
    /// An init container that stays: `restartPolicy: Always`.
    case sidecar
}

/// Why and when a container ended.
public struct ContainerTermination: Hashable, Sendable, Codable {
    /// `OOMKilled`, `Error`, `Completed`, `ContainerCannotRun`, `DeadlineExceeded`, `Evicted`, else `Other`.
    public var reason: String
    /// The exit code.
    public var exitCode: Int
    /// When it had started; nil: not told.
    public var startedAt: Date?
    /// When it ended; nil: not told.
    public var finishedAt: Date?

    /// Makes one.
    public init(reason: String, exitCode: Int, startedAt: Date? = nil, finishedAt: Date? = nil) {
        self.reason = reason
        self.exitCode = exitCode
        self.startedAt = startedAt
        self.finishedAt = finishedAt
    }

    /// Whether the kernel killed it for its memory.
    public var isOutOfMemory: Bool { reason == "OOMKilled" }
    /// The reasons that are kept by name.
    public static let reasons: Set<String> = [
        "OOMKilled", "Error", "Completed", "ContainerCannotRun", "DeadlineExceeded", "Evicted",
    ]
}

/// A container of a pod or of a workload's template: an allow-list of fields.
public struct PodContainer: Hashable, Sendable, Codable {
    /// Its name.
    public var name: String
    /// What it is to its pod.
    public var role: ContainerRole
    /// What it asks for, as written; zero: not set. `pods` is 0.
    public var requests: Resources
    /// Its limits; zero: not set. `pods` is 0.
    public var limits: Resources
    /// How often it was restarted; 0 in a template.
    public var restarts: Int
    /// Whether it is ready; false in a template.
    public var isReady: Bool
    /// Since when it runs; nil: it does not.
    public var runningSince: Date?
    /// Its end, where it has ended and was not restarted.
    public var termination: ContainerTermination?
    /// Its last end before it was restarted: the API keeps the latest alone.
    public var lastTermination: ContainerTermination?

    /// Makes a container.
    public init(
        name: String, role: ContainerRole = .main, requests: Resources = Resources(), limits: Resources = Resources(),
        restarts: Int = 0, isReady: Bool = false, runningSince: Date? = nil, termination: ContainerTermination? = nil,
        lastTermination: ContainerTermination? = nil
    ) {
        self.name = name
        self.role = role
        self.requests = requests
        self.limits = limits
        self.restarts = restarts
        self.isReady = isReady
        self.runningSince = runningSince
        self.termination = termination
        self.lastTermination = lastTermination
    }
}

/// A pod's class of service, by its requests and limits.
public enum QualityOfService: String, Hashable, Sendable, Codable {
    /// Every container's requests equal its limits.
    case guaranteed = "Guaranteed"
    /// Some request or limit.
    case burstable = "Burstable"
    /// None at all.
    case bestEffort = "BestEffort"
}
