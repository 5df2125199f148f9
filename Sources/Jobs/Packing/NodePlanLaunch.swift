import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// The launch that comes before the first eviction, where a node is replaced.
extension NodePlanRules {
    /// Launches, or waits until the new instance is a Ready node.
    mutating func launch(_ replacement: NodePlanMemory.Replacement, _ mine: NodePlan) throws -> Decision {
        if let launched = replacement.launched {
            let node = seen.snapshot.objects.nodes.first { $0.instance == launched.id }
            if let node, node.isReady {
                memory.replacement?.hasJoined = true
                memory.progressAt = seen.now
                return try again(after: 0, mine)
            }
            let waited = seen.now.timeIntervalSince(replacement.launchedAt ?? seen.now)
            if waited >= NodePlanRules.joinSecondsMax {
                memory.abort = "\(launched.id) was launched and is no Ready node after \(Int(waited)) s"
                return try giveBack(mine)
            }
            return try again(after: NodePlanRules.lookEvery, mine)
        }
        guard replacement.step < replacement.plan.steps.count else {
            memory.abort = memory.abort ?? "no pool gave an instance"
            return try giveBack(mine)
        }
        decision.actions = [launchAction(replacement, step: replacement.step)]
        return try again(after: 500, mine)
    }

    /// Asks for the new node, by the pools of one step.
    func launchAction(_ replacement: NodePlanMemory.Replacement, step number: Int) -> Action {
        let step = replacement.plan.steps[number]
        let names = memory.plan.removals.map(\.node.name).joined(separator: ", ")
        return Action(
            key: launchKey(number),
            .createFleet(
                request: FleetRequest(
                    template: replacement.template, capacity: step.capacity, overrides: step.pools,
                    tags: replacement.tags)),
            reason: "\(names) is to be replaced; \(step.summary), \(step.pools.count) pools", saving: memory.plan.saving
        )
    }

    private func launchKey(_ step: Int) -> String { "launch/\(seen.cluster)/plan-\(memory.number)/\(step)" }

    /// What the launch of the step under way brought.
    mutating func takeLaunch(_ report: ActionReport) {
        guard var replacement = memory.replacement, report.key == launchKey(replacement.step) else { return }
        defer { memory.replacement = replacement }
        if let fleet = report.fleet {
            for failure in fleet.failures {
                guard let type = failure.type, let zone = failure.zone,
                    ReplaceRules.unfulfillable.contains(failure.code)
                else { continue }
                decision.facts.append(
                    .unavailablePool(
                        UnavailablePoolFact(
                            account: account,
                            pool: SpotPool(region: seen.snapshot.cluster.region, zone: zone, type: type),
                            capacity: replacement.plan.steps[replacement.step].capacity,
                            until: seen.now.addingTimeInterval(seen.policy.spot.unavailableFor.interval),
                            reason: failure.code)))
            }
            if let launched = fleet.launched.first {
                replacement.launched = launched
                replacement.launchedAt = seen.now
                memory.progressAt = seen.now
            } else {
                replacement.step += 1
                replacement.failures = 0
            }
            return
        }
        switch report.outcome {
        case .refused:
            replacement.step += 1
            replacement.failures = 0
        case .failed:
            // The same key and token again: whether the last call launched something is open.
            replacement.failures += 1
            if replacement.failures >= NodePlanRules.failuresMax { giveUp("the launch fails", report) }
        case .done, .gone, .blocked, .impossible, .withheld, .skipped: giveUp("the launch gave no answer", report)
        }
    }

    private var account: String { seen.account }
}
