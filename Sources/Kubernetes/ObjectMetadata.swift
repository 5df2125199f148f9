import Foundation

/// A JSON object's key, whatever its name.
struct AnyKey: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(_ name: String) { stringValue = name }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

extension Decoder {
    /// The keys of this object that are not among `known`: a rule of a newer Kubernetes that we would otherwise overlook.
    func unknownKeys(besides known: Set<String>) throws -> [String] {
        try container(keyedBy: AnyKey.self).allKeys.map(\.stringValue).filter { !known.contains($0) }.map {
            // A field's name is a word; anything else is told by its being there alone.
            $0.utf8.count <= 64 && $0.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) } ? $0 : "unnamed"
        }.sorted()
    }
}

/// A time as Kubernetes writes it, RFC 3339 with or without fractions of a second.
struct Timestamp: Decodable, Sendable, Equatable {
    var date: Date

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        let whole = Date.ISO8601FormatStyle()
        guard
            let date = (try? whole.parse(text))
                ?? (try? whole.year().month().day()
                    .time(includingFractionalSeconds: true).timeZone(separator: .omitted).parse(text))
        else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not an RFC 3339 time")
        }
        self.date = date
    }
}

/// `metadata`, narrowed: managed fields and foreign annotations (among them `last-applied-configuration`, which repeats a
/// workload's environment) are never decoded.
struct ObjectMetadata: Decodable, Sendable, Equatable {
    struct Owner: Decodable, Sendable, Equatable {
        var apiVersion: String
        var kind: String
        var name: String
        var uid: String
        var controller: Bool?
    }

    var name: String
    var namespace: String?
    var uid: String
    var resourceVersion: String
    var generation: Int64?
    var creationTimestamp: Timestamp?
    var deletionTimestamp: Timestamp?
    var deletionGracePeriodSeconds: Int64?
    var labels: [String: String]
    var annotations: [String: String]
    /// Which tools that write objects from repositories have annotated it: of their annotations only that they are there.
    var marks: Set<String>
    var owners: [Owner]

    /// Annotations that decide something for us; all others are passed over unread.
    static let annotationPrefixes = ["cloudoptim.io/"]
    static let annotationNames: Set<String> = [
        "kubernetes.io/config.mirror", "controller.kubernetes.io/pod-deletion-cost",
        "descheduler.alpha.kubernetes.io/evict", "karpenter.sh/do-not-disrupt", "karpenter.sh/do-not-evict",
        "karpenter.sh/do-not-consolidate", "cluster-autoscaler.kubernetes.io/safe-to-evict",
        "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes",
        "cluster-autoscaler.kubernetes.io/scale-down-disabled", "cluster-autoscaler.kubernetes.io/enable-ds-eviction",
        "storageclass.kubernetes.io/is-default-class", "service.kubernetes.io/topology-mode",
    ]
    static let tools = ["argocd.argoproj.io", "fluxcd.io"]

    private enum Key: String, CodingKey {
        case name, namespace, uid, resourceVersion, generation, creationTimestamp, deletionTimestamp
        case deletionGracePeriodSeconds, labels, annotations, ownerReferences
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        name = try container.decode(String.self, forKey: .name)
        namespace = try container.decodeIfPresent(String.self, forKey: .namespace)
        uid = try container.decodeIfPresent(String.self, forKey: .uid) ?? ""
        resourceVersion = try container.decodeIfPresent(String.self, forKey: .resourceVersion) ?? ""
        generation = try container.decodeIfPresent(Int64.self, forKey: .generation)
        creationTimestamp = try container.decodeIfPresent(Timestamp.self, forKey: .creationTimestamp)
        deletionTimestamp = try container.decodeIfPresent(Timestamp.self, forKey: .deletionTimestamp)
        deletionGracePeriodSeconds = try container.decodeIfPresent(Int64.self, forKey: .deletionGracePeriodSeconds)
        labels = try container.decodeIfPresent([String: String].self, forKey: .labels) ?? [:]
        owners = try container.decodeIfPresent([Owner].self, forKey: .ownerReferences) ?? []
        annotations = [:]
        marks = []
        if container.contains(.annotations), try !container.decodeNil(forKey: .annotations) {
            let all = try container.nestedContainer(keyedBy: AnyKey.self, forKey: .annotations)
            for key in all.allKeys {
                if ObjectMetadata.isWanted(key.stringValue) {
                    annotations[key.stringValue] = try all.decode(String.self, forKey: key)
                }
                let group = key.stringValue.prefix { $0 != "/" }
                for tool in ObjectMetadata.tools where group == tool || group.hasSuffix("." + tool) {
                    marks.insert(tool)
                }
            }
        }
    }

    private static func isWanted(_ name: String) -> Bool {
        annotationNames.contains(name) || annotationPrefixes.contains { name.hasPrefix($0) }
    }
}

/// The metadata of any object, where nothing else of it matters.
struct BareObject: Decodable, Sendable, Equatable {
    var metadata: ObjectMetadata
}
