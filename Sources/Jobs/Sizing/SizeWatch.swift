import Foundation
import Infrastructure
import Optimizer

/// A change that is being watched, and what was normal before it.
struct SizeWatch: Codable, Sendable, Equatable {
    var change: SizeChange
    /// The share of its containers that used nearly all the CPU they may, before.
    var throttledBefore: Double
    /// What all its pods ask for less per hour, at list prices; negative: more.
    var freed: MicroDollars?

    /// The share of a CPU limit from which on a container is taken for throttled: metrics.k8s.io tells no throttling.
    static let throttledShare = 0.95

    /// What became of a change.
    enum Verdict: Equatable {
        /// Too early to say.
        case wait
        /// Nothing got worse.
        case good
        /// It is rolled back.
        case bad(String)
    }

    /// Judges a change by the pods that were made after it.
    func judge(pods: [Pod], usage: [PodUsage], subject: SizeSubject?, now: Date, policy: RightsizingPolicy) -> Verdict {
        guard let subject else { return .good }  // the workload is gone: nothing is left to roll back
        let own = pods.filter { subject.owns($0) && $0.createdAt >= change.at.addingTimeInterval(-1) }
        let containers = own.flatMap(\.containers).filter { change.after[$0.name] != nil }
        if containers.contains(where: {
            $0.lastTermination?.isOutOfMemory == true || $0.termination?.isOutOfMemory == true
        }) {
            return .bad("a container ran out of memory")
        }
        let restarts = containers.reduce(0) { $0 + $1.restarts }
        if restarts >= max(1, policy.restartsMax) { return .bad("\(restarts) restarts") }
        let throttled = SizeWatch.throttledShare(of: own, usage: usage)
        if throttled - throttledBefore > policy.throttlingRiseMax {
            return .bad("\(Int(throttled * 100)) % of its containers use all the CPU they may")
        }
        guard now.timeIntervalSince(change.at) >= policy.watch.interval else { return .wait }
        return subject.isRolledOut ? .good : .bad("its rollout is not complete")
    }

    /// The share of containers with a CPU limit that use nearly all of it.
    static func throttledShare(of pods: [Pod], usage: [PodUsage]) -> Double {
        let byPod = Dictionary(usage.map { ("\($0.namespace)/\($0.pod)", $0) }, uniquingKeysWith: { first, _ in first })
        var limited = 0
        var throttled = 0
        for pod in pods {
            for container in pod.containers where container.limits.cpu > .zero {
                guard
                    let used = byPod["\(pod.namespace)/\(pod.name)"]?.containers.first(where: {
                        $0.name == container.name
                    })
                else { continue }
                limited += 1
                if Double(used.cpu.rawValue) >= throttledShare * Double(container.limits.cpu.rawValue) {
                    throttled += 1
                }
            }
        }
        return limited == 0 ? 0 : Double(throttled) / Double(limited)
    }

    /// The change that takes this one back.
    func rollback(at now: Date) -> SizeChange {
        SizeChange(
            object: change.object, before: change.after, after: change.before, cause: SizeChange.rollbackCause, at: now)
    }
}
