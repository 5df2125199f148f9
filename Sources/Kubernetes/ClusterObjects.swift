import Foundation

/// An integer or a percentage, as `minAvailable` and `maxUnavailable` are.
enum IntOrPercent: Decodable, Sendable, Equatable {
    case count(Int64)
    case percent(Int64)

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let number = try? container.decode(Int64.self) {
            self = .count(number)
            return
        }
        let text = try container.decode(String.self)
        guard text.hasSuffix("%"), let number = Int64(text.dropLast()) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "wanted a number or a percentage")
        }
        self = .percent(number)
    }
}

/// `policy/v1` PodDisruptionBudget.
struct BudgetObject: Decodable, Sendable, Equatable {
    struct Spec: Decodable, Sendable, Equatable {
        var selector: LabelSelectorObject?
        var minAvailable: IntOrPercent?
        var maxUnavailable: IntOrPercent?
        var unhealthyPodEvictionPolicy: String?
    }
    struct Status: Decodable, Sendable, Equatable {
        var disruptionsAllowed: Int32?
        var currentHealthy: Int32?
        var desiredHealthy: Int32?
        var expectedPods: Int32?
        var observedGeneration: Int64?
    }
    var metadata: ObjectMetadata
    var spec: Spec?
    var status: Status?
}

/// A PersistentVolume: which claim and which disk.
struct PersistentVolumeObject: Decodable, Sendable, Equatable {
    struct Claim: Decodable, Sendable, Equatable {
        var namespace: String?
        var name: String?
        var uid: String?
    }
    struct CSI: Decodable, Sendable, Equatable {
        var driver: String
        var volumeHandle: String
    }
    struct ElasticBlockStore: Decodable, Sendable, Equatable {
        var volumeID: String
    }
    struct Affinity: Decodable, Sendable, Equatable {
        var required: NodeSelectorObject?
    }
    struct Spec: Decodable, Sendable, Equatable {
        var capacity: [String: Quantity]?
        var accessModes: [String]?
        var claimRef: Claim?
        var persistentVolumeReclaimPolicy: String?
        var storageClassName: String?
        var csi: CSI?
        var awsElasticBlockStore: ElasticBlockStore?
        var nodeAffinity: Affinity?
    }
    struct Status: Decodable, Sendable, Equatable {
        var phase: String?
    }
    var metadata: ObjectMetadata
    var spec: Spec?
    var status: Status?

    /// `vol-…` of the EBS volume behind it, by either driver; nil for other storage. Rule: domain-rules section 7.
    var volumeID: String? {
        if let csi = spec?.csi, ["ebs.csi.aws.com", "ebs.csi.eks.amazonaws.com"].contains(csi.driver) {
            return csi.volumeHandle
        }
        return spec?.awsElasticBlockStore?.volumeID.split(separator: "/").last.map(String.init)
    }
}

/// A PersistentVolumeClaim.
struct VolumeClaimObject: Decodable, Sendable, Equatable {
    struct Spec: Decodable, Sendable, Equatable {
        var volumeName: String?
        var storageClassName: String?
        var accessModes: [String]?
    }
    struct Status: Decodable, Sendable, Equatable {
        var phase: String?
    }
    var metadata: ObjectMetadata
    var spec: Spec?
    var status: Status?
}

/// A VolumeAttachment: which volume is (still) on which node.
struct VolumeAttachmentObject: Decodable, Sendable, Equatable {
    struct Source: Decodable, Sendable, Equatable {
        var persistentVolumeName: String?
    }
    struct Spec: Decodable, Sendable, Equatable {
        var attacher: String
        var nodeName: String
        var source: Source
    }
    struct Status: Decodable, Sendable, Equatable {
        var attached: Bool?
    }
    var metadata: ObjectMetadata
    var spec: Spec
    var status: Status?
}

/// A PriorityClass.
struct PriorityClassObject: Decodable, Sendable, Equatable {
    var metadata: ObjectMetadata
    var value: Int32
    var globalDefault: Bool?
    var preemptionPolicy: String?
}

/// A Namespace.
struct NamespaceObject: Decodable, Sendable, Equatable {
    struct Status: Decodable, Sendable, Equatable {
        var phase: String?
    }
    var metadata: ObjectMetadata
    var status: Status?
}
