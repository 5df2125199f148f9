/// What CloudOptim does for a cluster: modes are set and savings are counted by feature.
public enum Feature: String, Hashable, Sendable, Codable, CaseIterable {
    /// Drains and replaces nodes that are interrupted.
    case interruptions
    /// Moves suitable nodes to spot, and back to spot after a fallback.
    case spot
    /// Empties and removes nodes that are not needed.
    case packing
    /// Sizes requests and nodes by what is used.
    case rightsizing
    /// Lets development workloads sleep.
    case officeHours = "office-hours"
    /// Deletes volumes that nobody uses.
    case volumes
    /// Keeps traffic in its zone.
    case network
    /// Helps containers that ran out of memory.
    case oom
    /// Terminates instances that are in no cluster.
    case ghosts

    /// The kinds of jobs that carry it out.
    public var kinds: [String] {
        switch self {
        case .interruptions: ["interrupt-node", "drain-node", "replace-node", "restore-marks", "poll-sqs"]
        case .spot: ["spot-arbitrage", "return-to-spot"]
        case .packing: ["defrag"]
        case .rightsizing: ["rightsize-workloads", "rightsize-nodes"]
        case .officeHours: ["office-hours", "office-hours-nodes"]
        case .volumes: ["zombie-volumes"]
        case .network: ["analyse-network"]
        case .oom: ["remediate-oom"]
        case .ghosts: ["ghost-scan"]
        }
    }

    /// The feature that a kind belongs to; nil: a kind that only reads, or is of the operator's own.
    public init?(kind: String) {
        guard let found = Feature.allCases.first(where: { $0.kinds.contains(kind) }) else { return nil }
        self = found
    }

    /// Its mode where the policy says nothing. Interruptions happen whether we act or not, so they go as far as the
    /// cluster's own mode; everything else is ours to begin, and waits until it is asked for.
    public var defaultMode: Mode { self == .interruptions ? .apply : .observe }
}
