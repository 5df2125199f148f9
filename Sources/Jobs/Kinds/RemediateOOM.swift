import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// `remediate-oom`: raises the memory of containers that were killed for want of it, in the template of their owner, and
/// stops where more memory does not help.
public struct RemediateOOM: Job {
    /// The kind's name.
    public static let kind: JobKind = "remediate-oom"
    /// What a decision reads of the cluster, once any container was killed.
    static let lists: Set<ClusterList> = [
        .nodes, .deployments, .statefulSets, .daemonSets, .horizontalAutoscalers, .verticalAutoscalers, .scaledObjects,
        .limitRanges, .quotas,
    ]

    /// What a request may say.
    public struct Parameters: Codable, Sendable {
        /// Seconds that a kill is looked at after it happened.
        public var ageMaxSeconds: Int
        /// Workloads whose rollout may be under way at once.
        public var rolloutsMax: Int

        private enum CodingKeys: String, CodingKey {
            case ageMaxSeconds = "age_max_seconds"
            case rolloutsMax = "rollouts_max"
        }

        /// Reads what a request says; what it leaves out is as the jobspec has it.
        public init(from decoder: any Decoder) throws {
            self.init()
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            if let found = try fields.decodeIfPresent(Int.self, forKey: .ageMaxSeconds) { ageMaxSeconds = found }
            if let found = try fields.decodeIfPresent(Int.self, forKey: .rolloutsMax) { rolloutsMax = found }
        }

        /// Asks for a look.
        public init(ageMaxSeconds: Int = 3600, rolloutsMax: Int = 1) {
            self.ageMaxSeconds = ageMaxSeconds
            self.rolloutsMax = rolloutsMax
        }
    }

    struct Memory: Codable, Sendable, Equatable {
        /// A raise that was asked for, and what is kept of it once it is done.
        struct Asked: Codable, Sendable, Equatable {
            var change: SizeChange
            var fact: MemoryRaiseFact
        }
        /// By action key.
        var asked: [String: Asked] = [:]
        var raised = 0
    }

    /// Rounds of one run: so often a raise is asked for whose answer was lost.
    static let roundsMax = 6

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var now: Date
        var round: Int
        var cluster: ClusterID
        var policy: ClusterPolicy
        /// Pods with a container that was killed lately.
        var pods: [Pod]
        var objects: ClusterObjects
        var raises: [MemoryRaiseFact]
        /// Memory that was measured, by container.
        var usage: [UsageFact]
        var reports: [ActionReport]
        var memory: Memory
    }

    let parameters: Parameters

    /// Makes the job of one request.
    public init(_ parameters: Parameters) { self.parameters = parameters }

    /// Lists the pods; the rest only when a container was killed that is not answered yet.
    public func observe(_ context: JobContext) async throws -> Observation {
        let registration = try await context.registration()
        let cluster = try await context.cluster(registration)
        let policy = try await context.sources.policies.policy(of: registration.id)
        let since = context.now.addingTimeInterval(-Double(parameters.ageMaxSeconds))
        let raises = try await context.sources.memoryRaises.raises(in: registration.id)
        let answered = Set(raises.map(\.record.kill.key))
        let pods = try await cluster.pods().filter { pod in
            RemediateOOM.kills(of: pod).contains { $0.kill.at >= since && !answered.contains($0.kill.key) }
        }
        var observation = Observation(
            now: context.now, round: context.round, cluster: registration.id, policy: policy, pods: pods,
            objects: ClusterObjects(), raises: raises, usage: [], reports: context.reports,
            memory: try context.memory(as: Memory.self) ?? Memory())
        guard !pods.isEmpty else { return observation }
        observation.objects = try await cluster.objects(RemediateOOM.lists, now: context.now)
        let days = try await context.sources.usage.usage(
            in: registration.id, sinceDay: SampleMetrics.day(of: context.now) - 1)
        observation.usage = days.sorted { $0.key < $1.key }.flatMap { key, days in
            days.map { UsageFact(cluster: registration.id, key: key, usage: $0) }
        }
        return observation
    }

    /// The kills that a pod tells of: the API keeps the latest of each container.
    static func kills(of pod: Pod) -> [(container: PodContainer, kill: MemoryKill)] {
        // Evicted for want of memory on its node: that is the node's matter.
        if pod.wasEvicted { return [] }
        return pod.containers.compactMap { container in
            for end in [container.termination, container.lastTermination] {
                if let end, end.isOutOfMemory, let at = end.finishedAt {
                    return (
                        container,
                        MemoryKill(podUID: pod.uid, container: container.name, at: at, startedAt: end.startedAt)
                    )
                }
            }
            return nil
        }
    }

    /// One container of one owner killed, the newest kill of all its pods.
    private struct Case {
        var subject: SizeSubject
        var template: PodContainer
        var key: ContainerKey
        var kill: MemoryKill
        var isGuaranteed: Bool
        /// Whether it is down, or goes down so soon after each start that it soon will be.
        var isLooping: Bool
    }

    /// Who is killed so soon after its start is in a loop, in seconds: ten minutes is also when Kubernetes forgets its back-off.
    static let loopSeconds: TimeInterval = 600

    /// Raises what may be raised now, and tells what may not.
    public func decide(_ observation: Observation) throws -> Decision {
        var decision = Decision()
        var memory = observation.memory
        settle(observation, into: &decision, memory: &memory)
        var raises = observation.raises
        for fact in decision.facts { if case .memoryRaise(let raise) = fact { raises.append(raise) } }
        let subjects = observation.objects.workloads.compactMap { workload in
            SizeSubject(
                workload, autoscalers: observation.objects.autoscalers,
                knowsAutoscalers: observation.objects.isComplete([.verticalAutoscalers]), policy: observation.policy)
        }
        let limits = SizeLimits(
            limitRanges: observation.objects.limitRanges, quotas: observation.objects.quotas,
            nodes: observation.objects.nodes, workloads: observation.objects.workloads)
        let recently = Set(
            raises.filter { observation.now.timeIntervalSince($0.record.at) < 86_400 }.map {
                "\($0.key.namespace)/\($0.key.kind)/\($0.key.workload)"
            })
        var rolling = subjects.count { recently.contains("\($0.object)") && !$0.isRolledOut }
        // What was asked for in this run shows only in the status of the next.
        let found = observation.round == 0 ? cases(observation, subjects: subjects, into: &decision) : []
        for item in found {
            let size = ContainerSize(of: item.template)
            let answer = MemoryRaise.answer(
                MemoryRaise.Question(
                    kill: item.kill, size: size, isGuaranteed: item.isGuaranteed, peak: peak(observation, item.key),
                    bounds: limits.bounds(
                        namespace: item.key.namespace, size: size, replicas: item.subject.replicas),
                    history: raises.filter { $0.key == item.key }.map(\.record),
                    isRolledOut: item.subject.isRolledOut || !recently.contains("\(item.subject.object)"),
                    now: observation.now), policy: observation.policy.oom)
            switch answer {
            case .wait: continue
            case .stop(let reason): decision.findings.append(finding(reason, item, size, observation))
            case .raise(let request, let limit):
                if let objection = item.subject.writeObjection
                    ?? item.subject.memoryObjection.flatMap({ reason in
                        // An autoscaler that scales by memory is no reason to let it be killed.
                        reason.contains("VerticalPodAutoscaler") ? reason : nil
                    })
                {
                    decision.findings.append(
                        reported(item, "\(objection); it needs a limit of \(text(limit ?? request))", observation))
                    continue
                }
                guard rolling < parameters.rolloutsMax else { continue }
                rolling += 1
                let asked = ask(item, size: size, request: request, limit: limit, observation, into: &decision)
                memory.asked[RemediateOOM.actionKey(observation.cluster, item.kill)] = asked
            }
        }
        decision.memory = try JSONText(encoding: memory)
        if !decision.actions.isEmpty {
            decision.next = .again(afterMilliseconds: observation.round == 0 ? 0 : 2000)
        }
        decision.isEmpty = decision.actions.isEmpty && decision.facts.isEmpty && decision.findings.isEmpty
        struct Summary: Encodable {
            var killed: Int
            var raised: Int
        }
        decision.result = try JSONText(encoding: Summary(killed: observation.pods.count, raised: memory.raised))
        return decision
    }

    private func settle(_ observation: Observation, into decision: inout Decision, memory: inout Memory) {
        for report in observation.reports {
            guard let asked = memory.asked[report.key] else { continue }
            if report.outcome == .failed, observation.round < RemediateOOM.roundsMax {
                // It may have been done: unless it is asked again under the same key, a raise would not be counted.
                decision.actions.append(
                    Action(key: report.key, .resize(change: asked.change), reason: "\(asked.fact.key): asked again"))
                continue
            }
            if report.outcome == .done {
                memory.raised += 1
                decision.facts.append(.memoryRaise(asked.fact))
            } else if report.outcome == .refused {
                decision.findings.append(
                    Finding(
                        "oom-failed", cluster: observation.cluster, subject: "\(asked.fact.key)", .warning,
                        "Its memory could not be raised (\(report.code)): \(report.message)"))
            }
            memory.asked[report.key] = nil
        }
    }

    /// The newest kill of each container of each owner, oldest first; what has no owner of ours is told.
    private func cases(
        _ observation: Observation, subjects: [SizeSubject], into decision: inout Decision
    ) -> [Case] {
        var found: [ContainerKey: Case] = [:]
        let tried = Set(observation.reports.map(\.key))
        for pod in observation.pods {
            for (container, kill) in RemediateOOM.kills(of: pod) {
                if tried.contains(RemediateOOM.actionKey(observation.cluster, kill)) { continue }
                guard let subject = subjects.first(where: { $0.owns(pod) }) else {
                    decision.findings.append(unowned(pod, container, observation))
                    continue
                }
                guard
                    let template = subject.workload.template.first(where: {
                        $0.name == container.name && $0.role == .main
                    })
                else {
                    decision.findings.append(unowned(pod, container, observation))
                    continue
                }
                // A pod of an older template: its successor has more already.
                guard template.limits.memory == container.limits.memory else { continue }
                let key = ContainerKey(
                    namespace: pod.namespace, kind: subject.workload.kind.rawValue, workload: subject.workload.name,
                    container: container.name)
                if let known = found[key], known.kill.at >= kill.at { continue }
                found[key] = Case(
                    subject: subject, template: template, key: key, kill: kill,
                    isGuaranteed: pod.qualityOfService == .guaranteed,
                    isLooping: !container.isReady
                        || kill.lifetime.map { $0 < RemediateOOM.loopSeconds } ?? false)
            }
        }
        return found.values.sorted { ($0.kill.at, $0.key.description) < ($1.kill.at, $1.key.description) }
    }

    private func peak(_ observation: Observation, _ key: ContainerKey) -> Bytes? {
        observation.usage.filter { $0.key == key }.map(\.usage.memoryMax).max()
    }

    static func actionKey(_ cluster: ClusterID, _ kill: MemoryKill) -> String { "oom/\(cluster)/\(kill.key)" }

    private func ask(
        _ item: Case, size: ContainerSize, request: Bytes, limit: Bytes?, _ observation: Observation,
        into decision: inout Decision
    ) -> Memory.Asked {
        var after = size
        after.memoryRequest = request
        if limit != nil { after.memoryLimit = limit }
        let key = RemediateOOM.actionKey(observation.cluster, item.kill)
        let from = text(size.memoryLimit ?? size.memoryRequest)
        let change = SizeChange(
            object: item.subject.object, before: [item.key.container: size], after: [item.key.container: after],
            cause: "out-of-memory", at: observation.now, pods: item.subject.replicas,
            isUrgent: item.isLooping)
        decision.actions.append(
            Action(
                key: key, .resize(change: change),
                reason: "\(item.key): killed for want of memory at \(item.kill.at.formatted(.iso8601)),"
                    + " \(from) -> \(text(limit ?? request))"))
        return Memory.Asked(
            change: change,
            fact: MemoryRaiseFact(
                cluster: observation.cluster, key: item.key,
                record: MemoryRaiseRecord(
                    kill: item.kill, at: observation.now, limitBefore: size.memoryLimit, limitAfter: limit,
                    requestBefore: size.memoryRequest, requestAfter: request)))
    }

    private func text(_ bytes: Bytes?) -> String { bytes.map { "\($0.rawValue >> 20)Mi" } ?? "none" }

    private func finding(
        _ reason: MemoryRaise.Stop, _ item: Case, _ size: ContainerSize, _ observation: Observation
    ) -> Finding {
        let now = "It was killed for want of memory again, at a limit of \(text(size.memoryLimit))"
        let message =
            switch reason {
            case .leakSuspected:
                "\(now), no later than before its memory was raised: a leak is suspected. Nothing more is raised."
            case .tooOften:
                "\(now), after \(observation.policy.oom.raisesPerDayMax) raises in a day. Nothing more is raised."
            case .bounded: "\(now). More would exceed what the policy, its namespace or the largest node allows."
            }
        return Finding(
            "oom-\(reason.rawValue)", cluster: observation.cluster, subject: "\(item.key)", .critical, message)
    }

    private func reported(_ item: Case, _ why: String, _ observation: Observation) -> Finding {
        Finding(
            "oom-reported", cluster: observation.cluster, subject: "\(item.key)", .warning,
            "It was killed for want of memory and is not changed: \(why).")
    }

    /// Jobs cannot be changed, and what another object owns would be changed back.
    private func unowned(_ pod: Pod, _ container: PodContainer, _ observation: Observation) -> Finding {
        let owner = pod.ownerKind.map { "\($0) \(pod.ownerName ?? "")" } ?? "nothing"
        return Finding(
            "oom-reported", cluster: observation.cluster,
            subject: "\(pod.namespace)/\(pod.ownerName ?? pod.name)/\(container.name)", .warning,
            "It was killed for want of memory at a limit of \(text(container.limits.memory)); it belongs to \(owner), whose"
                + " template we do not change: raise its memory there.")
    }
}
