import Infrastructure

/// What pods' volumes ask of nodes: the zone, that no other node holds them, and a free place among those the node takes.
struct VolumeRules {
    /// How many volumes were met.
    var count: Int { numbers.values.count }
    private(set) var drivers: [String]
    private var numbers = Interned<String>()
    private let claims: [String: PersistentVolumeClaim]
    private let volumes: [String: PersistentVolume]
    private let attachments: [String: [VolumeAttachment]]
    private let limits: [String: [String: Int]]
    private let claimsOnNode: [String: Set<String>]

    /// Kinds of volumes that are made anew wherever the pod goes.
    private static let placeless: Set<String> = [
        "emptyDir", "hostPath", "configMap", "secret", "projected", "downwardAPI", "image",
    ]

    init(_ snapshot: ClusterSnapshot) {
        let objects = snapshot.objects
        claims = Dictionary(
            objects.claims.map { ("\($0.namespace)/\($0.name)", $0) }, uniquingKeysWith: { first, _ in first })
        volumes = Dictionary(objects.volumes.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        attachments = Dictionary(grouping: objects.attachments, by: \.nodeName)
        limits = Dictionary(
            objects.volumeLimits.map { ($0.nodeName, $0.countMaxByDriver) }, uniquingKeysWith: { first, _ in first })
        drivers = Set(objects.volumes.compactMap(\.driver)).sorted()
        let byClaim = claims
        var held: [String: Set<String>] = [:]
        for pod in objects.pods where !pod.isFinished {
            guard let node = pod.nodeName else { continue }
            for volume in pod.placement.volumes {
                guard let claim = volume.claim, let name = byClaim["\(pod.namespace)/\(claim)"]?.volumeName else {
                    continue
                }
                held[node, default: []].insert(name)
            }
        }
        claimsOnNode = held
    }

    /// What a pod's volumes ask for; `unknown`: one that is not bound, or of a kind that is not understood.
    mutating func uses(
        of pod: Pod, on home: Node?
    ) -> (uses: [PackingProblem.VolumeUse], terms: [[NodeSelectorTerm]], unknown: String?) {
        var uses: [PackingProblem.VolumeUse] = []
        var terms: [[NodeSelectorTerm]] = []
        var unknown: String?
        for item in pod.placement.volumes {
            guard let name = item.claim else {
                if !VolumeRules.placeless.contains(item.kind) { unknown = unknown ?? item.kind }
                continue
            }
            guard let claim = claims["\(pod.namespace)/\(name)"], let bound = claim.volumeName,
                let volume = volumes[bound]
            else {
                unknown = unknown ?? name
                continue
            }
            if let alternatives = volume.nodeTerms {
                terms.append(alternatives)
            } else if volume.volumeID != nil {
                // An EBS volume is in one zone, whether or not the object says which.
                guard let zone = home?.zone else {
                    unknown = unknown ?? name
                    continue
                }
                terms.append([
                    NodeSelectorTerm(matchExpressions: [
                        SelectorRequirement(key: "topology.kubernetes.io/zone", .isIn, values: [zone])
                    ])
                ])
            }
            let modes = claim.accessModes.isEmpty ? volume.accessModes : claim.accessModes
            uses.append(
                PackingProblem.VolumeUse(
                    volume: numbers.intern(bound), driver: volume.driver.flatMap { drivers.firstIndex(of: $0) },
                    isShared: modes.contains("ReadWriteMany") || modes.contains("ReadOnlyMany")))
        }
        return (uses, terms, unknown)
    }

    /// How many volumes a node takes by driver, without what is attached to it and belongs to no pod there.
    func limits(on node: Node) -> [Int] {
        let known = limits[node.name] ?? [:]
        if known.isEmpty { return [] }
        let held = claimsOnNode[node.name] ?? []
        return drivers.map { driver in
            guard let most = known[driver] else { return Int.max }
            let strangers = (attachments[node.name] ?? []).count { attachment in
                attachment.attacher == driver && !(attachment.volumeName.map(held.contains) ?? false)
            }
            return most - strangers
        }
    }
}
