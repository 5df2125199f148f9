import Infrastructure

/// Whose a volume is, by its tags.
public enum VolumeOwner: Hashable, Sendable, Codable {
    /// A registered cluster's.
    case registered(ClusterID)
    /// A cluster's that is not registered: its claims cannot be asked.
    case stranger(String)
    /// No tag tells.
    case unknown

    /// Tells the owner.
    /// - Parameter clusters: the registered clusters of the volume's account and region, by their names in EKS.
    ///
    /// Tags of the EBS CSI driver (`kubernetes.io/cluster/<name>` = `owned`, `ebs.csi.aws.com/cluster-name`), of EKS
    /// (`eks:cluster-name`), and of the volume plugin before it (`KubernetesCluster`). `shared` is no ownership. Tags
    /// that name several clusters are as good as the least known of them.
    public static func of(_ tags: [String: String], clusters: [String: ClusterID]) -> VolumeOwner {
        let prefix = "kubernetes.io/cluster/"
        var names = Set(
            tags.filter { $0.key.hasPrefix(prefix) && $0.value == "owned" }.map {
                String($0.key.dropFirst(prefix.count))
            })
        for key in ["ebs.csi.aws.com/cluster-name", "eks:cluster-name", "KubernetesCluster"] {
            if let name = tags[key], !name.isEmpty { names.insert(name) }
        }
        let sorted = names.sorted()
        if let stranger = sorted.first(where: { clusters[$0] == nil }) { return .stranger(stranger) }
        guard let first = sorted.first, let id = clusters[first] else { return .unknown }
        if let other = sorted.dropFirst().first { return .stranger(other) }
        return .registered(id)
    }
}
