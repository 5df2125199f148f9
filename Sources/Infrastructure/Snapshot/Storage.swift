import Foundation

/// A PersistentVolume.
public struct PersistentVolume: Hashable, Sendable, Codable {
    /// Name.
    public var name: String
    /// UID.
    public var uid: String
    /// `Available`, `Bound`, `Released`, `Failed`, `Pending`.
    public var phase: String
    /// Its size.
    public var size: Bytes
    /// `ReadWriteOnce`, `ReadWriteMany`, …
    public var accessModes: [String]
    /// `Retain`, `Delete`, `Recycle`.
    public var reclaimPolicy: String
    /// Its class; nil: none.
    public var storageClass: String?
    /// The namespace of the claim it is bound to or held for; nil: none.
    public var claimNamespace: String?
    /// The name of that claim.
    public var claimName: String?
    /// The driver: `ebs.csi.aws.com`, `kubernetes.io/aws-ebs`; nil: another kind of volume.
    public var driver: String?
    /// The EBS volume behind it, `vol-…`; nil: other storage.
    public var volumeID: String?
    /// Nodes that can reach it: alternatives of which one must hold; nil: all.
    public var nodeTerms: [NodeSelectorTerm]?

    /// Makes a volume.
    public init(
        name: String, uid: String, phase: String = "Bound", size: Bytes = .zero, accessModes: [String] = [],
        reclaimPolicy: String = "Delete", storageClass: String? = nil, claimNamespace: String? = nil,
        claimName: String? = nil, driver: String? = nil, volumeID: String? = nil, nodeTerms: [NodeSelectorTerm]? = nil
    ) {
        self.name = name
        self.uid = uid
        self.phase = phase
        self.size = size
        self.accessModes = accessModes
        self.reclaimPolicy = reclaimPolicy
        self.storageClass = storageClass
        self.claimNamespace = claimNamespace
        self.claimName = claimName
        self.driver = driver
        self.volumeID = volumeID
        self.nodeTerms = nodeTerms
    }
}

/// A PersistentVolumeClaim.
public struct PersistentVolumeClaim: Hashable, Sendable, Codable {
    /// Namespace.
    public var namespace: String
    /// Name.
    public var name: String
    /// UID.
    public var uid: String
    /// `Pending`, `Bound`, `Lost`.
    public var phase: String
    /// The PersistentVolume it is bound to; nil: none yet.
    public var volumeName: String?
    /// Its class; nil: the default one; empty: none.
    public var storageClass: String?
    /// `ReadWriteOnce`, …
    public var accessModes: [String]

    /// Makes a claim.
    public init(
        namespace: String, name: String, uid: String, phase: String = "Bound", volumeName: String? = nil,
        storageClass: String? = nil, accessModes: [String] = []
    ) {
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.phase = phase
        self.volumeName = volumeName
        self.storageClass = storageClass
        self.accessModes = accessModes
    }
}

/// A StorageClass.
public struct StorageClass: Hashable, Sendable, Codable {
    /// Name.
    public var name: String
    /// `ebs.csi.aws.com`, …
    public var provisioner: String
    /// Whether a volume is made only once a pod needs it (`WaitForFirstConsumer`).
    public var waitsForConsumer: Bool
    /// Whether claims that name no class get this one.
    public var isDefault: Bool
    /// Where its volumes may be: alternatives of which one must hold; empty: anywhere.
    public var allowedTopologies: [NodeSelectorTerm]

    /// Makes a class.
    public init(
        name: String, provisioner: String, waitsForConsumer: Bool = false, isDefault: Bool = false,
        allowedTopologies: [NodeSelectorTerm] = []
    ) {
        self.name = name
        self.provisioner = provisioner
        self.waitsForConsumer = waitsForConsumer
        self.isDefault = isDefault
        self.allowedTopologies = allowedTopologies
    }
}

/// A VolumeAttachment: which volume is, or still is, on which node.
public struct VolumeAttachment: Hashable, Sendable, Codable {
    /// Name.
    public var name: String
    /// The driver that attaches.
    public var attacher: String
    /// The node.
    public var nodeName: String
    /// The PersistentVolume; nil: an inline volume.
    public var volumeName: String?
    /// Whether it is attached.
    public var isAttached: Bool

    /// Makes one.
    public init(name: String, attacher: String, nodeName: String, volumeName: String?, isAttached: Bool) {
        self.name = name
        self.attacher = attacher
        self.nodeName = nodeName
        self.volumeName = volumeName
        self.isAttached = isAttached
    }
}

/// How many volumes of each driver a node takes (CSINode).
public struct VolumeLimits: Hashable, Sendable, Codable {
    /// The node.
    public var nodeName: String
    /// By driver; a driver that says no number is not here.
    public var countMaxByDriver: [String: Int]

    /// Makes one.
    public init(nodeName: String, countMaxByDriver: [String: Int]) {
        self.nodeName = nodeName
        self.countMaxByDriver = countMaxByDriver
    }
}

/// A VolumeSnapshotContent: a snapshot that Kubernetes knows, and the volume it was made of.
public struct VolumeSnapshotContent: Hashable, Sendable, Codable {
    /// Name.
    public var name: String
    /// The EBS volume it is made from, `vol-…`; nil: none, or made already.
    public var volumeID: String?
    /// The snapshot, `snap-…`; nil: none yet.
    public var snapshotID: String?

    /// Makes one.
    public init(name: String, volumeID: String? = nil, snapshotID: String? = nil) {
        self.name = name
        self.volumeID = volumeID
        self.snapshotID = snapshotID
    }
}
