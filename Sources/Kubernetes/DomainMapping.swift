import Foundation
import Infrastructure

extension NodeObject {
    /// In the product's words.
    var node: Node {
        let amounts = ResourceAmounts.of(status?.allocatable)
        let all = ResourceAmounts.of(status?.capacity)
        var node = Node(
            name: metadata.name, uid: metadata.uid, resourceVersion: metadata.resourceVersion,
            instance: spec?.providerID.flatMap { InstanceID(providerID: $0) }, labels: metadata.labels,
            annotations: metadata.annotations,
            taints: (spec?.taints ?? []).map {
                Infrastructure.Taint(key: $0.key, value: $0.value ?? "", effect: $0.effect)
            },
            isUnschedulable: spec?.unschedulable ?? false, isReady: isReady,
            isDeleting: metadata.deletionTimestamp != nil,
            allocatable: Infrastructure.Resources(amounts, pods: Int(clamping: amounts["pods"] ?? 0)),
            createdAt: metadata.creationTimestamp?.date ?? Date(timeIntervalSince1970: 0))
        node.capacity = Infrastructure.Resources(all, pods: Int(clamping: all["pods"] ?? 0))
        return node
    }
}

extension BudgetObject {
    /// In the product's words; nil without a selector, which covers no pod, or with one that we do not understand.
    var budget: PodDisruptionBudget? {
        guard let selector = spec?.selector?.selector else { return nil }
        // The server refuses evictions while the status is older than the spec.
        let isStale = (status?.observedGeneration ?? 0) < (metadata.generation ?? 0)
        var budget = PodDisruptionBudget(
            namespace: metadata.namespace ?? "default", name: metadata.name,
            disruptionsAllowed: isStale ? 0 : Int(status?.disruptionsAllowed ?? 0), selector: selector,
            minAvailable: spec?.minAvailable?.amount, maxUnavailable: spec?.maxUnavailable?.amount)
        budget.expectedPods = Int(status?.expectedPods ?? 0)
        budget.currentHealthy = Int(status?.currentHealthy ?? 0)
        budget.desiredHealthy = Int(status?.desiredHealthy ?? 0)
        budget.alwaysAllowsUnhealthy = spec?.unhealthyPodEvictionPolicy == "AlwaysAllow"
        return budget
    }
}

extension IntOrPercent {
    var amount: CountOrPercent {
        switch self {
        case .count(let number): .count(Int(clamping: number))
        case .percent(let number): .percent(Int(clamping: number))
        }
    }
}

extension LabelSelectorObject {
    /// In the product's words; nil with an operator that we do not know.
    var selector: LabelSelector? {
        guard let expressions = (matchExpressions ?? []).requirements else { return nil }
        return LabelSelector(matchLabels: matchLabels ?? [:], matchExpressions: expressions)
    }
}

extension [SelectorRequirement] {
    /// In the product's words; nil with an operator that we do not know.
    var requirements: [Infrastructure.SelectorRequirement]? {
        var requirements: [Infrastructure.SelectorRequirement] = []
        for requirement in self {
            guard let known = SelectorOperator(rawValue: requirement.operator) else { return nil }
            requirements.append(.init(key: requirement.key, known, values: requirement.values ?? []))
        }
        return requirements
    }
}

extension Infrastructure.Resources {
    /// Takes what is known by name; the rest is extended.
    init(_ amounts: [String: Int64], pods: Int) {
        let named: Set<String> = ["cpu", "memory", "pods", "ephemeral-storage"]
        self.init(
            cpu: MilliCPU(rawValue: amounts["cpu"] ?? 0), memory: Bytes(rawValue: amounts["memory"] ?? 0), pods: pods,
            ephemeralStorage: Bytes(rawValue: amounts["ephemeral-storage"] ?? 0),
            extended: amounts.filter { !named.contains($0.key) && $0.value != 0 })
    }
}

extension NodePatch {
    /// A merge patch that another node of the same name refuses.
    var body: JSONValue {
        var metadata: [String: JSONValue] = ["uid": .string(node.uid)]
        if !labels.isEmpty { metadata["labels"] = .object(labels.mapValues { $0.map(JSONValue.string) ?? .null }) }
        if !annotations.isEmpty {
            metadata["annotations"] = .object(annotations.mapValues { $0.map(JSONValue.string) ?? .null })
        }
        var spec: [String: JSONValue] = [:]
        // The API leaves the field out when false; null is how kubectl uncordons, too.
        if let isUnschedulable { spec["unschedulable"] = isUnschedulable ? true : .null }
        if let taints {
            spec["taints"] = .array(
                taints.map { taint in
                    var fields: [String: JSONValue] = ["key": .string(taint.key), "effect": .string(taint.effect)]
                    if !taint.value.isEmpty { fields["value"] = .string(taint.value) }
                    return .object(fields)
                })
        }
        var body: [String: JSONValue] = ["metadata": .object(metadata)]
        if !spec.isEmpty { body["spec"] = .object(spec) }
        return .object(body)
    }
}

extension EvictionVerdict {
    func evictionAnswer(of pod: PodReference) throws -> EvictionAnswer {
        switch self {
        case .evicted: return .evicted
        case .gone, .replacedByOther: return .gone
        case .blockedByBudget(let retryAfter, let reason): return .blocked(reason: reason, retryAfter: retryAfter)
        case .neverWillSucceed(let reason): return .impossible(reason: reason)
        case .rateLimited(let retryAfter):
            throw KubernetesError(
                .tooManyRequests, "evict pod \(pod): the API server limits our rate", status: 429,
                retryAfter: retryAfter)
        case .retry(let error), .refused(let error): throw error
        }
    }

    func deletionAnswer(of subject: String) throws -> DeletionAnswer {
        switch self {
        case .evicted: return .deleted
        case .gone, .replacedByOther: return .gone
        case .rateLimited(let retryAfter), .blockedByBudget(let retryAfter, _):
            throw KubernetesError(
                .tooManyRequests, "delete \(subject): the API server limits our rate", status: 429,
                retryAfter: retryAfter)
        case .neverWillSucceed(let reason): throw KubernetesError(.invalid, reason)
        case .retry(let error), .refused(let error): throw error
        }
    }
}

extension KubernetesError {
    /// In the words that all far sides share.
    public var farSide: FarSideError {
        let shared: FarSideError.Code =
            switch code {
            case .unauthorized: .unauthorized
            case .forbidden: .forbidden
            case .notFound: .notFound
            case .conflict: .conflict
            case .gone, .serverFault: .fault
            case .tooManyRequests: .throttled
            case .invalid, .multipleBudgets: .refused
            case .timeout, .network: .network
            // A certificate that is not trusted needs a person, as a forbidden address does.
            case .tls, .egressRefused: .egressRefused
            case .tooLarge: .tooLarge
            case .malformedAnswer: .malformed
            case .badConfiguration: .badConfiguration
            }
        return FarSideError(
            shared, farCode: status.map { "\(code.rawValue) \($0)" } ?? code.rawValue, message, retryAfter: retryAfter,
            mayHaveBeenExecuted: mayHaveBeenExecuted, side: .kubernetes)
    }
}
