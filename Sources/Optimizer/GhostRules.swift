import Foundation
import Infrastructure

/// Instances that run and are in no cluster: found by two scans that agree, watched for a day, then terminated by their
/// owner's API. Pure (domain-rules section 8). External cleaners that ended what bears no tag have taken out whole
/// clusters, so what nobody owns is only told.
public enum GhostRules {
    /// One scan of an account: instances listed first, nodes after, so that what joins in between is no ghost.
    public struct Scan: Hashable, Sendable, Codable {
        /// World time when it began.
        public var now: Date
        /// The account.
        public var account: AccountTarget
        /// The tenant's clusters there.
        public var clusters: [Cluster]
        /// Instances that are pending or running.
        public var instances: [Instance]
        /// Instances that are nodes of any of the clusters.
        public var nodes: Set<InstanceID>
        /// Auto Scaling groups by instance.
        public var groups: [InstanceID: String]
        /// Instances that may not be ended: termination protection, persistent spot requests.
        public var protected: [InstanceID: String]
        /// The names of the account's EKS clusters; nil: they could not be listed.
        public var eksClusters: Set<String>?
        /// Why the nodes are not known completely; nil: they are.
        public var gap: String?
        /// What earlier scans found.
        public var sightings: [GhostSighting]
        /// What instances cost per hour, as far as it was read; otherwise the shipped list serves for those on demand, and
        /// nothing is counted for spot.
        public var perHour: [InstanceID: MicroDollars] = [:]

        /// Makes a scan; what is no parameter is set afterwards.
        public init(
            now: Date, account: AccountTarget, clusters: [Cluster], instances: [Instance], nodes: Set<InstanceID>
        ) {
            self.now = now
            self.account = account
            self.clusters = clusters
            self.instances = instances
            self.nodes = nodes
            groups = [:]
            protected = [:]
            sightings = []
        }
    }

    /// A registered cluster of the account.
    public struct Cluster: Hashable, Sendable, Codable {
        /// Its id.
        public var id: ClusterID
        /// Its name in EKS.
        public var name: String
        /// Its policy for ghosts.
        public var policy: ClusterPolicy

        /// Names a cluster.
        public init(id: ClusterID, name: String, policy: ClusterPolicy) {
            self.id = id
            self.name = name
            self.policy = policy
        }
    }

    /// What is done about one ghost.
    public struct Verdict: Hashable, Sendable, Codable {
        /// What is kept of it.
        public var sighting: GhostSighting
        /// Whether it is ended now.
        public var ends: Bool
        /// Whether it is stopped, which keeps its root volume, and not terminated.
        public var stops: Bool
        /// The group whose API ends it; nil: EC2's.
        public var group: String?
    }

    /// A scan's outcome.
    public struct Outcome: Hashable, Sendable, Codable {
        /// Every ghost.
        public var verdicts: [Verdict] = []
        /// Instances that were taken for ghosts and are none.
        public var gone: [InstanceID] = []
        /// Why nothing is ended and nothing is counted; nil: the scan stands.
        public var stopped: String?
        /// Whether it was stopped because there are too many: a person must look.
        public var isBroken = false
    }

    /// Decides about every instance.
    public static func outcome(_ scan: Scan) -> Outcome {
        var outcome = Outcome()
        let strict = strictest(scan.clusters)
        let known = Dictionary(scan.sightings.map { ($0.instance, $0) }) { first, _ in first }
        outcome.gone = known.keys.filter { id in
            scan.nodes.contains(id) || !scan.instances.contains { $0.id == id }
        }.sorted()
        if let gap = scan.gap {
            outcome.stopped = gap
            return outcome
        }
        var ghosts: [(instance: Instance, ghostClass: GhostClass, owner: ClusterID?, reason: String)] = []
        var tagged = 0
        for instance in scan.instances.sorted(by: { $0.id < $1.id }) {
            let found = classify(instance, scan)
            if found.ghostClass.mayEnd || scan.nodes.contains(instance.id) { tagged += 1 }
            guard !scan.nodes.contains(instance.id), found.ghostClass != .excluded else {
                if known[instance.id] != nil, !outcome.gone.contains(instance.id) { outcome.gone.append(instance.id) }
                continue
            }
            // One that is about to join is no ghost yet; one without a launch time is never old enough.
            guard let launched = instance.launchedAt, scan.now.timeIntervalSince(launched) > strict.joining.interval
            else {
                continue
            }
            ghosts.append((instance, found.ghostClass, found.owner, found.reason))
        }
        let candidates = ghosts.count { $0.ghostClass.mayEnd }
        let most = max(strict.breakerCount, Int((strict.breakerShare * Double(tagged)).rounded(.down)))
        if candidates > most {
            outcome.stopped =
                "\(candidates) of \(tagged) tagged instances are in no cluster, more than the \(most) that may be: "
                + "usually a wrong cluster or wrong credentials"
            outcome.isBroken = true
            return outcome
        }
        if let empty = scan.clusters.first(where: { cluster in
            let own = ghosts.filter { $0.owner == cluster.id }
            return !own.isEmpty && !scan.instances.contains { scan.nodes.contains($0.id) && owns(cluster, $0) }
        }) {
            outcome.stopped =
                "no instance of the cluster '\(empty.id)' is one of its nodes: it may be the wrong cluster"
            outcome.isBroken = true
            return outcome
        }
        outcome.verdicts = ghosts.map { verdict($0.instance, $0.ghostClass, $0.owner, $0.reason, known, scan) }
        return outcome
    }

    private static func verdict(
        _ instance: Instance, _ ghostClass: GhostClass, _ owner: ClusterID?, _ reason: String,
        _ known: [InstanceID: GhostSighting], _ scan: Scan
    ) -> Verdict {
        let policy = scan.clusters.first { $0.id == owner }?.policy.ghosts ?? strictest(scan.clusters)
        var row = GhostSighting(
            account: scan.account, instance: instance.id, cluster: owner, ghostClass: ghostClass, firstSeenAt: scan.now,
            countedAt: scan.now, scans: 1, type: instance.type,
            perHour: scan.perHour[instance.id] ?? shippedPrice(instance), reason: reason)
        // Scans agree when they take it for the same; anything else begins anew.
        if let last = known[instance.id], last.ghostClass == ghostClass, last.cluster == owner {
            row.firstSeenAt = last.firstSeenAt
            row.countedAt = last.countedAt
            row.scans = last.scans
            if scan.now.timeIntervalSince(last.countedAt) >= policy.scanGap.interval {
                row.scans += 1
                row.countedAt = scan.now
            }
        }
        let due = row.firstSeenAt.addingTimeInterval(policy.grace.interval)
        let isDue = row.scans >= policy.scansMin && scan.now >= due
        // A one-time spot instance cannot be stopped, and who wants its volume kept does not want it terminated.
        let keepsSpot = policy.stops && instance.capacity == .spot && ghostClass != .grouped
        let ends = isDue && ghostClass.mayEnd && !keepsSpot
        if keepsSpot, ghostClass.mayEnd {
            row.reason = "\(reason); the policy stops ghosts, and a spot instance cannot be stopped: only told"
        } else if !ghostClass.mayEnd {
            row.reason = "\(reason); only told, never ended"
        } else if !isDue {
            row.reason = "\(reason); \(row.scans) scans agree, its grace runs until \(due.formatted(.iso8601))"
        }
        return Verdict(sighting: row, ends: ends, stops: policy.stops, group: scan.groups[instance.id])
    }

    private static func shippedPrice(_ instance: Instance) -> MicroDollars {
        guard instance.capacity == .onDemand else { return .zero }
        return InstanceCatalogue.shipped.type(named: instance.type)?.onDemandUSEast1 ?? .zero
    }

    /// The longest times and the smallest limits of all clusters: what no cluster owns is treated as the most careful
    /// of them wants.
    static func strictest(_ clusters: [Cluster]) -> GhostPolicy {
        let all = clusters.map(\.policy.ghosts)
        var policy = all.first ?? GhostPolicy()
        for other in all.dropFirst() {
            policy.grace = max(policy.grace, other.grace)
            policy.joining = max(policy.joining, other.joining)
            policy.scansMin = max(policy.scansMin, other.scansMin)
            policy.scanGap = max(policy.scanGap, other.scanGap)
            policy.breakerCount = min(policy.breakerCount, other.breakerCount)
            policy.breakerShare = min(policy.breakerShare, other.breakerShare)
            policy.stops = policy.stops || other.stops
        }
        return policy
    }

    private static let clusterTag = "kubernetes.io/cluster/"

    /// The names of clusters that own an instance by its tags; `shared` is no ownership.
    static func names(_ instance: Instance) -> Set<String> {
        var names = Set(
            instance.tags.filter { $0.key.hasPrefix(clusterTag) && $0.value == "owned" }.map {
                String($0.key.dropFirst(clusterTag.count))
            })
        for key in ["eks:cluster-name", "eks:eks-cluster-name"] {
            if let name = instance.tags[key], !name.isEmpty { names.insert(name) }
        }
        return names
    }

    private static func owns(_ cluster: Cluster, _ instance: Instance) -> Bool {
        names(instance).contains(cluster.name) || instance.tags[NodeOwner.ownTag] == cluster.id.rawValue
    }

    /// What an instance would be if it is in no cluster.
    public static func classify(
        _ instance: Instance, _ scan: Scan
    ) -> (ghostClass: GhostClass, owner: ClusterID?, reason: String) {
        let tags = instance.tags
        if let reason = exclusion(instance, scan) { return (.excluded, nil, reason) }
        var names = names(instance)
        if let cluster = scan.clusters.first(where: { $0.id.rawValue == tags[NodeOwner.ownTag] }) {
            names.insert(cluster.name)
        }
        guard let name = names.sorted().first else { return (.unowned, nil, "no tag names a cluster that owns it") }
        if names.count > 1 { return (.unowned, nil, "its tags name several clusters: \(names.sorted())") }
        if let cluster = scan.clusters.first(where: { $0.name == name }) {
            if let reason = cluster.policy.protected.reason(tags: tags) { return (.excluded, cluster.id, reason) }
            if tags["karpenter.sh/nodepool"] != nil || tags["karpenter.sh/nodeclaim"] != nil {
                return (.unowned, cluster.id, "it is Karpenter's, which collects its own")
            }
            let isGrouped = scan.groups[instance.id] != nil || tags["aws:autoscaling:groupName"] != nil
            return (isGrouped ? .grouped : .own, cluster.id, "it is of '\(name)' and not one of its nodes")
        }
        // Only EKS sets tags that begin with `eks:`; another cluster of that name may be one that EKS does not know.
        let isEKS = tags["eks:cluster-name"] == name || tags["eks:eks-cluster-name"] == name
        guard isEKS, let existing = scan.eksClusters else {
            return (.unowned, nil, "it is of the cluster '\(name)', which is not registered here")
        }
        if existing.contains(name) {
            return (.excluded, nil, "its cluster '\(name)' exists and is not registered here")
        }
        return (.orphan, nil, "its EKS cluster '\(name)' does not exist any more")
    }

    private static func exclusion(_ instance: Instance, _ scan: Scan) -> String? {
        if let reason = scan.protected[instance.id] { return reason }
        if instance.isServiceManaged || instance.tags["eks:kubernetes-node-class-name"] != nil {
            return "a service of AWS manages it (EKS Auto Mode)"
        }
        let tags = instance.tags
        let roles = ["k8s.io/role/master", "k8s.io/role/control-plane", "k8s.io/role/apiserver"]
        if let role = roles.first(where: { tags[$0] != nil }) { return "it is of a control plane (\(role))" }
        let role = tags["sigs.k8s.io/cluster-api-provider-aws/role"] ?? tags["kops.k8s.io/instance-role"] ?? ""
        if ["control-plane", "master", "Master", "ControlPlane", "APIServer"].contains(role) {
            return "it is of a control plane (\(role))"
        }
        if let group = tags["kops.k8s.io/instancegroup"], group.hasPrefix("master") || group.hasPrefix("control-plane")
        {
            return "it is of a control plane (\(group))"
        }
        return nil
    }
}
