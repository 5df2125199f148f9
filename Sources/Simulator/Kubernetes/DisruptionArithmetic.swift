/// The arithmetic of PodDisruptionBudgets, as the disruption controller and the eviction subresource of Kubernetes do
/// it (pkg/controller/disruption, pkg/registry/core/pod/storage/eviction.go), without any state.
struct DisruptionBudget: Sendable {
    enum Bound: Sendable, Equatable {
        case count(Int)
        case percent(Int)

        init?(_ value: JSONValue) {
            if let count = value.int {
                self = .count(count)
            } else if let text = value.string, text.hasSuffix("%"), let percent = Int(text.dropLast()) {
                self = .percent(percent)
            } else {
                return nil
            }
        }

        /// Percentages round up, for both bounds.
        func scaled(_ total: Int) -> Int {
            switch self {
            case .count(let count): count
            case .percent(let percent): (percent * total + 99) / 100
            }
        }
    }

    var minAvailable: Bound?
    var maxUnavailable: Bound?
    var evictsUnhealthyAlways: Bool
    var selector: LabelSelector?

    init(spec: JSONValue) {
        minAvailable = Bound(spec["minAvailable"])
        maxUnavailable = Bound(spec["maxUnavailable"])
        evictsUnhealthyAlways = spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        selector = LabelSelector(spec["selector"])
    }
}

/// What the disruption controller writes into a budget's status.
struct DisruptionStatus: Sendable, Equatable {
    var expectedPods: Int
    var currentHealthy: Int
    var desiredHealthy: Int
    var disruptionsAllowed: Int
}

enum EvictionVerdict: Equatable {
    case allowed
    /// The pod counts for no budget's health: its removal cannot make it worse.
    case allowedWithoutBudget
    case refused(DisruptionStatus)
    case moreThanOneBudget
}

enum DisruptionArithmetic {
    /// - Parameters:
    ///   - podCount: pods that the budget selects.
    ///   - healthy: those of them that are Ready, not terminating and not just evicted.
    ///   - scale: the sum of the wanted replicas of their controllers.
    static func status(_ budget: DisruptionBudget, podCount: Int, healthy: Int, scale: Int) -> DisruptionStatus {
        let expected: Int
        let desired: Int
        if let maxUnavailable = budget.maxUnavailable {
            expected = scale
            desired = max(0, expected - maxUnavailable.scaled(expected))
        } else if let minAvailable = budget.minAvailable {
            if case .percent = minAvailable { expected = scale } else { expected = podCount }
            desired = minAvailable.scaled(expected)
        } else {
            // Kubernetes' default: minAvailable 1.
            expected = podCount
            desired = 1
        }
        let allowed = expected <= 0 ? 0 : max(0, healthy - desired)
        return DisruptionStatus(
            expectedPods: expected, currentHealthy: healthy, desiredHealthy: desired, disruptionsAllowed: allowed)
    }

    static func verdict(
        podIsPendingOrDone: Bool, podIsTerminating: Bool, podIsReady: Bool,
        budgets: [(budget: DisruptionBudget, status: DisruptionStatus)]
    ) -> EvictionVerdict {
        if podIsPendingOrDone || podIsTerminating || budgets.isEmpty { return .allowedWithoutBudget }
        guard budgets.count == 1, let only = budgets.first else { return .moreThanOneBudget }
        if !podIsReady {
            if only.budget.evictsUnhealthyAlways { return .allowedWithoutBudget }
            if only.status.desiredHealthy > 0, only.status.currentHealthy >= only.status.desiredHealthy {
                return .allowedWithoutBudget
            }
        }
        return only.status.disruptionsAllowed > 0 ? .allowed : .refused(only.status)
    }
}
