import Foundation

/// What CloudOptim may do in one cluster, when, how much of it at a time, and from what gain on.
///
/// Every value has a default, so that a cluster without a stored policy has one too, and a document needs to name only
/// what differs. In documents the names are in snake_case: `disruption.nodes_per_hour`. Decisions are made from a copy
/// that bears the version they were made under.
public struct ClusterPolicy: Hashable, Sendable, Codable {
    /// The version, counted from 1 by the store; 0: the defaults, nothing was ever set.
    public var version = 0
    /// How far each feature (`packing`) or kind (`defrag`) may go; the least of both, the cluster's own mode and the kill
    /// switch is in force. What is not named may only observe, interruptions excepted.
    public var modes: [String: Mode] = [:]
    /// When and how fast pods and nodes may be disturbed.
    public var disruption = DisruptionPolicy()
    /// From what gain on something is worth a disturbance.
    public var saving = SavingPolicy()
    /// What is never touched.
    public var protected = ProtectionPolicy()
    /// Which spot capacity is used.
    public var spot = SpotPolicy()
    /// How nodes are packed.
    public var packing = PackingPolicy()
    /// How requests are sized.
    public var rightsizing = RightsizingPolicy()
    /// When development clusters sleep.
    public var officeHours = OfficeHoursPolicy()
    /// When an unattached volume is deleted.
    public var volumes = VolumePolicy()
    /// When an instance that is in no cluster is terminated.
    public var ghosts = GhostPolicy()
    /// How a container that ran out of memory is helped.
    public var oom = OOMPolicy()
    /// What is done about traffic between zones.
    public var network = NetworkPolicy()
    /// What things cost that no price list of ours knows.
    public var costs = CostPolicy()
    /// How proposals wait.
    public var proposals = ProposalPolicy()

    /// The defaults.
    public init() {}

    /// Reads a document; what it does not name has its default.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        try fields.read(.version, into: &version)
        try fields.read(.modes, into: &modes)
        try fields.read(.disruption, into: &disruption)
        try fields.read(.saving, into: &saving)
        try fields.read(.protected, into: &protected)
        try fields.read(.spot, into: &spot)
        try fields.read(.packing, into: &packing)
        try fields.read(.rightsizing, into: &rightsizing)
        try fields.read(.officeHours, into: &officeHours)
        try fields.read(.volumes, into: &volumes)
        try fields.read(.ghosts, into: &ghosts)
        try fields.read(.oom, into: &oom)
        try fields.read(.network, into: &network)
        try fields.read(.costs, into: &costs)
        try fields.read(.proposals, into: &proposals)
    }

    /// How far a kind of job may go by this policy alone: the least of what is said for its feature and for the kind.
    /// Kinds that belong to no feature are not limited.
    public func mode(of kind: String) -> Mode {
        guard let feature = Feature(kind: kind) else { return modes[kind] ?? .apply }
        return min(modes[feature.rawValue] ?? feature.defaultMode, modes[kind] ?? .apply)
    }

    /// The same policy with the cluster's zone in every window that names none.
    public func inZone(_ zone: String) -> ClusterPolicy {
        var copy = self
        copy.disruption.windows = disruption.windows.inZone(zone)
        copy.officeHours.hours = officeHours.hours.inZone(zone)
        return copy
    }
}

extension KeyedDecodingContainer {
    /// Replaces a default by what the document says, if it says anything.
    func read<Value: Decodable>(_ key: Key, into value: inout Value) throws {
        if let found = try decodeIfPresent(Value.self, forKey: key) { value = found }
    }
}
