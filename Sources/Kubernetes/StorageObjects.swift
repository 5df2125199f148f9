import Infrastructure

extension PersistentVolumeObject: DomainObject {
    func domain() throws -> PersistentVolume {
        PersistentVolume(
            name: metadata.name, uid: metadata.uid, phase: status?.phase ?? "Pending",
            size: Bytes(rawValue: spec?.capacity?["storage"]?.units ?? 0), accessModes: spec?.accessModes ?? [],
            reclaimPolicy: spec?.persistentVolumeReclaimPolicy ?? "Retain", storageClass: spec?.storageClassName,
            claimNamespace: spec?.claimRef?.namespace, claimName: spec?.claimRef?.name,
            driver: spec?.csi?.driver ?? (spec?.awsElasticBlockStore == nil ? nil : "kubernetes.io/aws-ebs"),
            volumeID: volumeID, nodeTerms: try spec?.nodeAffinity?.required?.nodeSelectorTerms.map { try $0.known() })
    }
}

extension NodeSelectorTerm {
    /// In the product's words.
    /// - Throws: `UnmappedObject` for a rule we do not know.
    fileprivate func known() throws -> Infrastructure.NodeSelectorTerm {
        guard let labels = (matchExpressions ?? []).requirements, let fields = (matchFields ?? []).requirements,
            unknownFields.isEmpty
        else { throw UnmappedObject(field: "spec.nodeAffinity") }
        return Infrastructure.NodeSelectorTerm(matchExpressions: labels, matchFields: fields)
    }
}

extension VolumeClaimObject: DomainObject {
    func domain() -> PersistentVolumeClaim {
        PersistentVolumeClaim(
            namespace: metadata.space, name: metadata.name, uid: metadata.uid, phase: status?.phase ?? "Pending",
            volumeName: spec?.volumeName.flatMap { $0.isEmpty ? nil : $0 }, storageClass: spec?.storageClassName,
            accessModes: spec?.accessModes ?? [])
    }
}

extension VolumeAttachmentObject: DomainObject {
    func domain() -> VolumeAttachment {
        VolumeAttachment(
            name: metadata.name, attacher: spec.attacher, nodeName: spec.nodeName,
            volumeName: spec.source.persistentVolumeName, isAttached: status?.attached ?? false)
    }
}

/// A StorageClass; its parameters are not read.
struct StorageClassObject: DomainObject, Equatable {
    struct Topology: Decodable, Sendable, Equatable {
        struct Expression: Decodable, Sendable, Equatable {
            var key: String
            var values: [String]
        }
        var matchLabelExpressions: [Expression]?
    }
    var metadata: ObjectMetadata
    var provisioner: String
    var volumeBindingMode: String?
    var allowedTopologies: [Topology]?

    func domain() -> StorageClass {
        StorageClass(
            name: metadata.name, provisioner: provisioner,
            waitsForConsumer: volumeBindingMode == "WaitForFirstConsumer",
            isDefault: metadata.annotations["storageclass.kubernetes.io/is-default-class"] == "true",
            allowedTopologies: (allowedTopologies ?? []).map { topology in
                Infrastructure.NodeSelectorTerm(
                    matchExpressions: (topology.matchLabelExpressions ?? []).map {
                        Infrastructure.SelectorRequirement(key: $0.key, .isIn, values: $0.values)
                    })
            })
    }
}

/// A CSINode: how many volumes of each driver its node takes.
struct CSINodeObject: DomainObject, Equatable {
    struct Allocatable: Decodable, Sendable, Equatable {
        var count: Int32?
    }
    struct Driver: Decodable, Sendable, Equatable {
        var name: String
        var allocatable: Allocatable?
    }
    struct Spec: Decodable, Sendable, Equatable {
        var drivers: [Driver]?
    }
    var metadata: ObjectMetadata
    var spec: Spec

    func domain() -> VolumeLimits {
        var counts: [String: Int] = [:]
        for driver in spec.drivers ?? [] { counts[driver.name] = driver.allocatable?.count.map(Int.init) }
        return VolumeLimits(nodeName: metadata.name, countMaxByDriver: counts)
    }
}

/// A VolumeSnapshotContent.
struct SnapshotContentObject: DomainObject, Equatable {
    struct Source: Decodable, Sendable, Equatable {
        var volumeHandle: String?
        var snapshotHandle: String?
    }
    struct Spec: Decodable, Sendable, Equatable {
        var source: Source?
    }
    struct Status: Decodable, Sendable, Equatable {
        var snapshotHandle: String?
    }
    var metadata: ObjectMetadata
    var spec: Spec
    var status: Status?

    func domain() -> VolumeSnapshotContent {
        VolumeSnapshotContent(
            name: metadata.name, volumeID: spec.source?.volumeHandle,
            snapshotID: status?.snapshotHandle ?? spec.source?.snapshotHandle)
    }
}
