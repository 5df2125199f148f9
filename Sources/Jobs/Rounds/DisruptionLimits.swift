import Foundation
import Infrastructure
import JobQueue

/// What the cluster's policy says of voluntary disturbances: windows and hourly budgets, asked before each action.
/// Interruptions (lane 0) do not wait, and are bound by none of it.
struct DisruptionLimits: Sendable {
    private let sources: JobSources
    private let cluster: ClusterID
    private let policy: DisruptionPolicy

    /// nil: nothing here is limited.
    init?(sources: JobSources, job: ClaimedJob, cluster: ClusterID?, actions: [Action]) async throws {
        guard let cluster, job.lane != .interruption, actions.contains(where: { $0.verb.disturbs != nil }) else {
            return nil
        }
        self.sources = sources
        self.cluster = cluster
        policy = try await sources.policies.policy(of: cluster).disruption
    }

    /// How many actions are under way at once.
    var inFlightMax: Int { max(1, policy.evictionsAtOnceMax) }

    /// Why an action is not carried out now; nil: it may be, and its share of the budget is taken.
    func withheld(_ action: Action, at now: Date) async throws -> ActionReport? {
        guard let disturbance = action.verb.disturbs else { return nil }
        guard policy.windows.isOpen(at: now, holidays: policy.holidays) else {
            let next = policy.windows.nextOpening(from: now, holidays: policy.holidays)?.lowerBound
            let until = next.map { "until \($0.formatted(.iso8601))" } ?? "for more than a year"
            return ActionReport(
                key: action.key, .withheld, code: Withheld.Cause.window.rawValue,
                message: "the policy's disruption windows are closed \(until)",
                retryAfterMilliseconds: next.map { Int64($0.timeIntervalSince(now) * 1000) })
        }
        let most = disturbance == .node ? policy.nodesPerHourMax : policy.evictionsPerHourMax
        if try await takes(disturbance, action, atMost: most, at: now) { return nil }
        let what = disturbance == .node ? "nodes" : "evictions"
        return ActionReport(
            key: action.key, .withheld, code: Withheld.Cause.budget.rawValue,
            message: "the policy's budget of \(most) \(what) an hour is used up",
            retryAfterMilliseconds: DisruptionLimits.budgetRetry)
    }

    /// Takes an action's share. One that disturbs many waits until there is room for all of them, and one that disturbs more
    /// than an hour allows until nothing else was disturbed.
    private func takes(
        _ disturbance: Disturbance, _ action: Action, atMost most: Int, at now: Date
    ) async throws -> Bool {
        let count = min(action.verb.disturbedCount, most)
        if count > 1 {
            // With nothing to give, only a share that was taken already is granted: by an earlier try of this action.
            if try await sources.policies.take(disturbance, key: action.key, of: cluster, at: now, atMost: 0) {
                return true
            }
            let since = now.addingTimeInterval(-3600)
            guard try await sources.policies.taken(disturbance, of: cluster, since: since) + count <= most else {
                return false
            }
            for number in 2...count {
                _ = try await sources.policies.take(
                    disturbance, key: "\(action.key)#\(number)", of: cluster, at: now, atMost: most)
            }
        }
        return try await sources.policies.take(disturbance, key: action.key, of: cluster, at: now, atMost: most)
    }

    /// When a job whose budget is used up looks again: five minutes.
    static let budgetRetry: Int64 = 300_000
}
