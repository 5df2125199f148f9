/// `{key, operator, values}`, of node and label selectors alike.
struct SelectorRequirement: Decodable, Sendable, Equatable {
    var key: String
    var `operator`: String
    var values: [String]?
}

/// `metav1.LabelSelector`.
struct LabelSelectorObject: Decodable, Sendable, Equatable {
    var matchLabels: [String: String]?
    var matchExpressions: [SelectorRequirement]?
}

/// One term of a node selector; the terms of a list are alternatives.
struct NodeSelectorTerm: Decodable, Sendable, Equatable {
    var matchExpressions: [SelectorRequirement]?
    var matchFields: [SelectorRequirement]?
    var unknownFields: [String]

    private enum CodingKeys: String, CodingKey, CaseIterable { case matchExpressions, matchFields }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        matchExpressions = try container.decodeIfPresent(forKey: .matchExpressions)
        matchFields = try container.decodeIfPresent(forKey: .matchFields)
        unknownFields = try decoder.unknownKeys(besides: Set(CodingKeys.allCases.map(\.rawValue)))
    }
}

/// A list of alternatives.
struct NodeSelectorObject: Decodable, Sendable, Equatable {
    var nodeSelectorTerms: [NodeSelectorTerm]
}

/// A rule about other pods.
struct PodAffinityTerm: Decodable, Sendable, Equatable {
    var labelSelector: LabelSelectorObject?
    var topologyKey: String
    var namespaces: [String]?
    var namespaceSelector: LabelSelectorObject?
    var matchLabelKeys: [String]?
    var mismatchLabelKeys: [String]?
    /// Fields of a newer Kubernetes: the pod must be treated as unmovable.
    var unknownFields: [String]

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case labelSelector, topologyKey, namespaces, namespaceSelector, matchLabelKeys, mismatchLabelKeys
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        labelSelector = try container.decodeIfPresent(LabelSelectorObject.self, forKey: .labelSelector)
        topologyKey = try container.decode(String.self, forKey: .topologyKey)
        namespaces = try container.decodeIfPresent([String].self, forKey: .namespaces)
        namespaceSelector = try container.decodeIfPresent(LabelSelectorObject.self, forKey: .namespaceSelector)
        matchLabelKeys = try container.decodeIfPresent([String].self, forKey: .matchLabelKeys)
        mismatchLabelKeys = try container.decodeIfPresent([String].self, forKey: .mismatchLabelKeys)
        unknownFields = try decoder.unknownKeys(besides: Set(CodingKeys.allCases.map(\.rawValue)))
    }
}

/// A preference with its weight, 1 to 100.
struct WeightedTerm<Term: Decodable & Sendable & Equatable>: Decodable, Sendable, Equatable {
    var weight: Int32
    var term: Term

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: AnyKey.self)
        weight = try container.decode(Int32.self, forKey: AnyKey("weight"))
        // Nodes call it `preference`, pods `podAffinityTerm`.
        let key = container.contains(AnyKey("preference")) ? "preference" : "podAffinityTerm"
        term = try container.decode(Term.self, forKey: AnyKey(key))
    }
}

/// Required and preferred rules of one kind.
struct AffinityRules<Required: Decodable & Sendable & Equatable, Term: Decodable & Sendable & Equatable>: Decodable,
    Sendable,
    Equatable
{
    var required: Required?
    var preferred: [WeightedTerm<Term>]
    var unknownFields: [String]

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case required = "requiredDuringSchedulingIgnoredDuringExecution"
        case preferred = "preferredDuringSchedulingIgnoredDuringExecution"
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        required = try container.decodeIfPresent(Required.self, forKey: .required)
        preferred = try container.decodeIfPresent([WeightedTerm<Term>].self, forKey: .preferred) ?? []
        unknownFields = try decoder.unknownKeys(besides: Set(CodingKeys.allCases.map(\.rawValue)))
    }
}

/// `spec.affinity`.
struct PodAffinityRules: Decodable, Sendable, Equatable {
    var nodeAffinity: AffinityRules<NodeSelectorObject, NodeSelectorTerm>?
    var podAffinity: AffinityRules<[PodAffinityTerm], PodAffinityTerm>?
    var podAntiAffinity: AffinityRules<[PodAffinityTerm], PodAffinityTerm>?
    var unknownFields: [String]

    private enum CodingKeys: String, CodingKey, CaseIterable { case nodeAffinity, podAffinity, podAntiAffinity }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        nodeAffinity = try container.decodeIfPresent(forKey: .nodeAffinity)
        podAffinity = try container.decodeIfPresent(forKey: .podAffinity)
        podAntiAffinity = try container.decodeIfPresent(forKey: .podAntiAffinity)
        var unknown = try decoder.unknownKeys(besides: Set(CodingKeys.allCases.map(\.rawValue)))
        unknown += nodeAffinity?.unknownFields ?? []
        unknown += (nodeAffinity?.required?.nodeSelectorTerms ?? []).flatMap(\.unknownFields)
        for rules in [podAffinity, podAntiAffinity] {
            unknown += rules?.unknownFields ?? []
            unknown += (rules?.required ?? []).flatMap(\.unknownFields)
        }
        unknownFields = unknown
    }
}

/// `spec.topologySpreadConstraints[]`.
struct SpreadConstraint: Decodable, Sendable, Equatable {
    var maxSkew: Int32
    var topologyKey: String
    var whenUnsatisfiable: String
    var labelSelector: LabelSelectorObject?
    var minDomains: Int32?
    var nodeAffinityPolicy: String?
    var nodeTaintsPolicy: String?
    var matchLabelKeys: [String]?
    var unknownFields: [String]

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case maxSkew, topologyKey, whenUnsatisfiable, labelSelector, minDomains, nodeAffinityPolicy, nodeTaintsPolicy
        case matchLabelKeys
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        maxSkew = try container.decode(Int32.self, forKey: .maxSkew)
        topologyKey = try container.decode(String.self, forKey: .topologyKey)
        whenUnsatisfiable = try container.decode(String.self, forKey: .whenUnsatisfiable)
        labelSelector = try container.decodeIfPresent(forKey: .labelSelector)
        minDomains = try container.decodeIfPresent(forKey: .minDomains)
        nodeAffinityPolicy = try container.decodeIfPresent(forKey: .nodeAffinityPolicy)
        nodeTaintsPolicy = try container.decodeIfPresent(forKey: .nodeTaintsPolicy)
        matchLabelKeys = try container.decodeIfPresent(forKey: .matchLabelKeys)
        unknownFields = try decoder.unknownKeys(besides: Set(CodingKeys.allCases.map(\.rawValue)))
    }
}

extension KeyedDecodingContainer {
    /// The value of the field's own type, nil when absent or null.
    func decodeIfPresent<Value: Decodable>(forKey key: Key) throws -> Value? {
        try decodeIfPresent(Value.self, forKey: key)
    }
}
