import Testing

@testable import Simulator

@Suite("The arithmetic of disruption budgets")
struct DisruptionArithmeticTests {
    static let statuses: [(spec: JSONValue, pods: Int, healthy: Int, scale: Int, expected: DisruptionStatus)] = [
        (["maxUnavailable": 1], 3, 3, 3, status(3, 3, 2, 1)),
        (["maxUnavailable": 1], 3, 2, 3, status(3, 2, 2, 0)),
        (["maxUnavailable": 0], 3, 3, 3, status(3, 3, 3, 0)),
        (["maxUnavailable": "0%"], 3, 3, 3, status(3, 3, 3, 0)),
        (["maxUnavailable": "25%"], 10, 10, 10, status(10, 10, 7, 3)),  // rounds up
        (["maxUnavailable": 5], 3, 3, 3, status(3, 3, 0, 3)),
        (["minAvailable": 2], 3, 3, 3, status(3, 3, 2, 1)),
        (["minAvailable": 2], 2, 2, 3, status(2, 2, 2, 0)),  // absolute: counts pods, not replicas
        (["minAvailable": "50%"], 3, 3, 3, status(3, 3, 2, 1)),
        (["minAvailable": "100%"], 3, 3, 3, status(3, 3, 3, 0)),
        (["maxUnavailable": 1], 2, 2, 0, status(0, 2, 0, 0)),  // bare pods: nothing is expected, nothing allowed
        ([:], 3, 3, 3, status(3, 3, 1, 2)),
    ]

    private static func status(_ expected: Int, _ healthy: Int, _ desired: Int, _ allowed: Int) -> DisruptionStatus {
        DisruptionStatus(
            expectedPods: expected, currentHealthy: healthy, desiredHealthy: desired, disruptionsAllowed: allowed)
    }

    @Test("the controller's figures follow the budget's bound", arguments: statuses)
    func figures(spec: JSONValue, pods: Int, healthy: Int, scale: Int, expected: DisruptionStatus) {
        let budget = DisruptionBudget(spec: spec)
        #expect(DisruptionArithmetic.status(budget, podCount: pods, healthy: healthy, scale: scale) == expected)
    }

    private func verdict(
        isReady: Bool = true, isPending: Bool = false, isTerminating: Bool = false, policy: JSONValue = .null,
        healthy: Int = 2, desired: Int = 2, budgets: Int = 1
    ) -> EvictionVerdict {
        let budget = DisruptionBudget(spec: ["maxUnavailable": 1, "unhealthyPodEvictionPolicy": policy])
        let status = Self.status(3, healthy, desired, max(0, healthy - desired))
        return DisruptionArithmetic.verdict(
            podIsPendingOrDone: isPending, podIsTerminating: isTerminating, podIsReady: isReady,
            budgets: Array(repeating: (budget, status), count: budgets))
    }

    @Test("an eviction is judged as by a real API server")
    func verdicts() {
        #expect(verdict(budgets: 0) == .allowedWithoutBudget)
        #expect(verdict(healthy: 3) == .allowed)
        #expect(verdict() == .refused(Self.status(3, 2, 2, 0)))
        #expect(verdict(healthy: 3, budgets: 2) == .moreThanOneBudget)
        #expect(verdict(isPending: true, budgets: 2) == .allowedWithoutBudget)
        #expect(verdict(isTerminating: true) == .allowedWithoutBudget)
        // Unhealthy pods: IfHealthyBudget lets them go only while the others are enough.
        #expect(verdict(isReady: false) == .allowedWithoutBudget)
        #expect(verdict(isReady: false, healthy: 1) == .refused(Self.status(3, 1, 2, 0)))
        #expect(verdict(isReady: false, policy: "AlwaysAllow", healthy: 1) == .allowedWithoutBudget)
    }
}
