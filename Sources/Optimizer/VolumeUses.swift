import Infrastructure

/// What one cluster says it uses: volumes by id, and by the names that volumes bear in their tags.
public struct VolumeUses: Hashable, Sendable, Codable {
    /// Ids of EBS volumes, with what names each.
    var volumes: [String: String] = [:]
    /// Names of persistent volumes, with what names each.
    var names: [String: String] = [:]
    /// Claims by namespace and name, with the persistent volume each is bound to; empty: to none yet.
    var claims: [String: String] = [:]

    /// The lists that must be whole before a volume of the cluster's account may be called unused.
    public static let lists: Set<ClusterList> = [.volumes, .claims, .attachments, .snapshotContents]

    /// Collects what a cluster uses.
    public init(_ objects: ClusterObjects) {
        for volume in objects.volumes {
            names[volume.name] = "the persistent volume \(volume.name)"
            if let id = volume.volumeID { volumes[id] = "the persistent volume \(volume.name)" }
        }
        for claim in objects.claims {
            let title = "\(claim.namespace)/\(claim.name)"
            claims[title] = claim.volumeName ?? ""
            // The CSI driver names a claim's volume by the claim's UID, before the claim is bound to it.
            for name in ["pvc-\(claim.uid)", claim.volumeName].compactMap({ $0 }) where names[name] == nil {
                names[name] = "the claim \(title)"
            }
        }
        for attachment in objects.attachments {
            guard let name = attachment.volumeName else { continue }
            names[name] = "an attachment to \(attachment.nodeName)"
        }
        for content in objects.snapshotContents {
            if let id = content.volumeID { volumes[id] = "the snapshot content \(content.name)" }
        }
    }

    /// What uses the volume, in words; nil: nothing of this cluster.
    public func use(of volume: Volume) -> String? {
        if let what = volumes[volume.id] { return what }
        let tags = volume.tags
        let own = ["CSIVolumeName", "kubernetes.io/created-for/pv/name"].compactMap { tags[$0] }
        for name in own {
            if let what = names[name] { return what }
        }
        guard let namespace = tags["kubernetes.io/created-for/pvc/namespace"],
            let name = tags["kubernetes.io/created-for/pvc/name"], let bound = claims["\(namespace)/\(name)"]
        else { return nil }
        // A claim of the same name that is bound to another volume is a later one: this volume is not its.
        return bound.isEmpty || own.isEmpty ? "the claim \(namespace)/\(name), which may mean it" : nil
    }
}
