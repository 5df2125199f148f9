import Foundation
import Infrastructure
import JobQueue

/// Replaces what a customer named in a snapshot: names, namespaces, labels, tags, ids. The structure stays, and so do the
/// decisions: equal texts become equal texts, and their order stays.
///
/// A replacement is the text's place among all texts replaced, then a keyed hash: `00001f-3fa9bc12de`. The hash is the same in
/// every snapshot made under the same key. Every string is replaced unless its field is known to hold none of the customer's
/// words; a field of the snapshot that is not known here is left out.
public struct SnapshotAnonymiser {
    private let hash: (String) -> String
    private var numericKeys: Set<String> = []
    private var places: [String: Int] = [:]
    /// While true, texts are collected, not replaced.
    private var isCollecting = true
    private var collected: Set<String> = []

    /// Takes a keyed hash that gives at least 17 hexadecimal digits.
    public init(hash: @escaping (String) -> String) { self.hash = hash }

    /// The snapshot without the customer's words.
    /// - Throws: `QueueError` `invalid` when it cannot be written as JSON.
    public mutating func anonymise(_ snapshot: ClusterSnapshot) throws -> ClusterSnapshot {
        var named = snapshot
        for index in named.objects.pods.indices { named.objects.pods[index].address = nil }
        for index in (named.instances ?? []).indices { named.instances?[index].clientToken = nil }
        for index in named.objects.readings.indices { named.objects.readings[index].problem = "" }
        named.isAnonymised = true
        guard case .object(let fields) = try JSONValue(parsing: SnapshotDocument.text(of: named)) else {
            throw QueueError(.invalid, "the snapshot is not an object")
        }
        let known = JSONValue.object(fields.filter { Self.snapshotFields.contains($0.key) })
        numericKeys = []
        isCollecting = true
        collected = []
        findNumericKeys(known)
        _ = replaced(known, field: "")
        places = Dictionary(uniqueKeysWithValues: collected.sorted().enumerated().map { ($1, $0) })
        isCollecting = false
        return try SnapshotDocument.read(replaced(known, field: "").canonical)
    }

    /// Fields of a snapshot whose form is known here.
    static let snapshotFields: Set<String> = [
        "version", "cluster", "capturedAt", "serverVersion", "objects", "instances", "volumes", "nodeGroups",
        "spotPrices", "onDemandPrices", "spotAdvice", "poolIncidents", "unavailablePools", "remarks", "isAnonymised",
    ]

    /// Fields whose texts are words of Kubernetes, of AWS or our own.
    private static let keptFields: Set<String> = [
        "kind", "phase", "role", "operator", "effect", "protocol", "state", "stateReason", "type", "zone", "region",
        "capacity", "timeZone", "environment", "serverVersion", "list", "outcome", "resourceVersion", "createdAt",
        "readAt", "capturedAt", "at", "since", "until", "launchedAt", "deletedBy", "runningSince", "startedAt",
        "finishedAt", "reason", "qualityOfService", "updateStrategy", "schedule", "gitOps", "updateMode", "source",
        "target", "resource", "accessModes", "reclaimPolicy", "driver", "attacher", "provisioner", "addressType",
        "trafficDistribution", "internalTrafficPolicy", "topologyMode", "families", "unknownConstraints", "remarks",
        "ownerKind", "targetKind",
    ]
    /// Texts that Kubernetes itself gives a meaning.
    private static let keptTexts: Set<String> = [
        "", "default", "kube-system", "kube-public", "kube-node-lease", "system-cluster-critical",
        "system-node-critical", "default-scheduler", "0.0.0.0",
    ]
    /// Dictionaries from label or tag keys to values.
    private static let labelFields: Set<String> = ["labels", "nodeSelector", "matchLabels", "tags", "serviceSelector"]
    /// Dictionaries whose keys are names of resources, drivers, zones or types.
    private static let countFields: Set<String> = [
        "extended", "hard", "used", "limitToRequestRatioMax", "countMaxByDriver", "readyByZone", "onDemandPrices",
        "spotAdvice",
    ]
    /// Labels whose values are words of the platform.
    private static let keptLabels: Set<String> = [
        "node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type", "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone", "topology.ebs.csi.aws.com/zone",
        "failure-domain.beta.kubernetes.io/region", "topology.k8s.aws/zone-id", "kubernetes.io/arch",
        "kubernetes.io/os", "beta.kubernetes.io/arch", "beta.kubernetes.io/os", "eks.amazonaws.com/capacityType",
        "eks.amazonaws.com/compute-type", "karpenter.sh/capacity-type", "app.kubernetes.io/managed-by",
        "karpenter.k8s.aws/instance-category", "karpenter.k8s.aws/instance-family",
        "karpenter.k8s.aws/instance-generation", "karpenter.k8s.aws/instance-size",
        "aws:ec2launchtemplate:version", "cloudoptim:first-available",
    ]

    private mutating func replaced(_ value: JSONValue, field: String) -> JSONValue {
        switch value {
        case .null, .boolean, .number: return value
        case .string(let text): return .string(Self.keptFields.contains(field) ? text : replaced(text))
        case .array(let items):
            if ["matchLabelKeys", "mismatchLabelKeys"].contains(field) {
                return .array(items.map { $0.map(text: { replacedKey($0) }) })
            }
            return .array(items.map { replaced($0, field: field) })
        case .object(let fields): return .object(replaced(fields, field: field))
        }
    }

    private mutating func replaced(_ fields: [String: JSONValue], field: String) -> [String: JSONValue] {
        var result: [String: JSONValue] = [:]
        if Self.labelFields.contains(field) {
            for (key, value) in fields {
                result[replacedKey(key)] = value.map(text: { replacedValue($0, of: key) })
            }
            return result
        }
        if Self.countFields.contains(field) {
            for (key, value) in fields { result[key.contains("/") ? replacedKey(key) : key] = value }
            return result
        }
        if field == "annotations" {
            for (key, value) in fields {
                result[key] = value.map(text: { Self.isPlain($0) ? $0 : replaced($0) })
            }
            return result
        }
        // A requirement of a selector, a taint, a toleration.
        if case .string(let key)? = fields["key"] {
            result = fields
            result["key"] = .string(replacedKey(key))
            if case .array(let values)? = fields["values"] {
                result["values"] = .array(values.map { $0.map(text: { replacedValue($0, of: key) }) })
            }
            result["value"] = fields["value"]?.map(text: { replacedValue($0, of: key) })
            return result
        }
        for (name, value) in fields {
            if name == "topologyKey" {
                result[name] = value.map(text: { replacedKey($0) })
            } else if name == "selector", case .object(let labels) = value, labels["matchExpressions"] == nil {
                // A Service's selector is a plain dictionary, all others are LabelSelectors.
                result[name] = replaced(.object(labels), field: "serviceSelector")
            } else {
                result[name] = replaced(value, field: name)
            }
        }
        return result
    }

    /// `true`, `false`, or a number: what annotations decide with.
    private static func isPlain(_ text: String) -> Bool { text == "true" || text == "false" || Int64(text) != nil }

    /// A time as documents hold it: no word of a customer's, in whatever field it stands.
    private static func isTime(_ text: String) -> Bool {
        text.utf8.count == 20 && text.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/) != nil
    }

    private mutating func replacedKey(_ key: String) -> String {
        for prefix in ["kubernetes.io/cluster/", "k8s.io/cluster/"] where key.hasPrefix(prefix) {
            return prefix + replaced(String(key.dropFirst(prefix.count)))
        }
        let isKept =
            KeptKeys.isWellKnown(label: key) || KeptKeys.isWellKnown(tag: key) || key == "metadata.name"
            || key.hasPrefix("hugepages-") || key.hasPrefix("nvidia.com/") || key.hasPrefix("vpc.amazonaws.com/")
        return isKept || key.isEmpty ? key : replaced(key)
    }

    private mutating func replacedValue(_ value: String, of key: String) -> String {
        if Self.keptLabels.contains(key) || ["owned", "shared", "true", "false"].contains(value) { return value }
        if numericKeys.contains(key), Int64(value) != nil { return value }
        return replaced(value)
    }

    private mutating func replaced(_ text: String) -> String {
        if Self.keptTexts.contains(text) || Self.isTime(text) { return text }
        if isCollecting {
            collected.insert(text)
            return text
        }
        let place = String(places[text] ?? 0, radix: 16)
        let padded = String(repeating: "0", count: max(0, 6 - place.count)) + place
        let digits = hash(text)
        // Ids keep their form: code asks whether they have it.
        for prefix in ["i-", "vol-", "snap-", "subnet-", "lt-"] where text.hasPrefix(prefix) {
            return prefix + padded + digits.prefix(11)
        }
        return padded + "-" + digits.prefix(10)
    }

    /// Label keys that are compared as numbers keep their numbers.
    private mutating func findNumericKeys(_ value: JSONValue) {
        switch value {
        case .null, .boolean, .number, .string: return
        case .array(let items): for item in items { findNumericKeys(item) }
        case .object(let fields):
            if case .string(let key)? = fields["key"], case .string(let name)? = fields["operator"],
                name == "Gt" || name == "Lt"
            {
                numericKeys.insert(key)
            }
            for item in fields.values { findNumericKeys(item) }
        }
    }
}

extension JSONValue {
    /// The value with its text replaced, where it is one.
    fileprivate func map(text body: (String) -> String) -> JSONValue {
        if case .string(let text) = self { return .string(body(text)) }
        return self
    }
}
