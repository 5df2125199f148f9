import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// What workloads could be spared or should be given.
extension ReportSections {
    /// Requests against what was used at one moment: the first word of rightsizing.
    static func workloadSizes(_ question: ReportQuestion) throws -> ReportSection {
        let observation = try RightsizeWorkloads.Observation.replay(question.snapshot, question.policy)
        let found = RightsizeWorkloads.planner(observation).recommendations()
        let less = found.filter { $0.saving > .zero }
        let more = found.filter { $0.saving < .zero }
        var notes = [
            "One sample of metrics: provisional, and never applied. A week of samples decides; peaks are not in this.",
            "It becomes real only as packing removes nodes: the sum overlaps with packing.",
        ]
        if question.snapshot.objects.usage.isEmpty { notes = ["metrics.k8s.io was not read: install metrics-server"] }
        if !more.isEmpty {
            notes.append("\(more.count) containers used more than they ask for: they would get more, not less")
        }
        return ReportSection(
            "workload-sizes", title: "Sizes of workloads",
            summary: "\(less.count) containers ask for more than they used at this moment.",
            savingPerHour: less.map(\.saving).reduce(.zero, +), confidence: found.isEmpty ? 0 : oneSample,
            columns: ["workload", "container", "pods", "cpu asked", "memory asked", "$/month less"],
            rows: less.map { item in
                [
                    "\(item.object)", item.container, "\(item.replicas)",
                    change(
                        item.before.cpuRequest.map { "\($0.rawValue)m" },
                        item.advice.size.cpuRequest.map { "\($0.rawValue)m" }),
                    change(mebibytes(item.before.memoryRequest), mebibytes(item.advice.size.memoryRequest)),
                    Money.monthly(item.saving),
                ]
            }, notes: notes)
    }

    /// One moment out of a week of 10,080 minutes says little.
    private static let oneSample = 0.1

    private static func change(_ before: String?, _ after: String?) -> String { "\(before ?? "-") -> \(after ?? "-")" }

    private static func mebibytes(_ bytes: Bytes?) -> String? { bytes.map { "\($0.rawValue >> 20)Mi" } }

    /// What sleeping outside of office hours is worth at most.
    static func officeHours(_ question: ReportQuestion) -> ReportSection {
        let snapshot = question.snapshot
        let hours = question.policy.officeHours
        let planner = SleepPlanner(
            cluster: snapshot.cluster.id, environment: snapshot.cluster.environment, policy: question.policy,
            now: snapshot.capturedAt, phase: OfficePhase(isAwake: true, since: snapshot.capturedAt))
        let subjects = planner.subjects(
            workloads: snapshot.objects.workloads, autoscalers: snapshot.objects.autoscalers,
            knowsAutoscalers: snapshot.objects.isComplete([.horizontalAutoscalers, .scaledObjects]))
        let may = subjects.filter {
            $0.candidate.objection == nil && $0.candidate.level > $0.candidate.asleepLevel && $0.object.kind != .cronJob
        }
        let names = Set(may.map { "\($0.object.namespace)/\($0.object.kind.rawValue)/\($0.object.name)" })
        let pods = snapshot.objects.pods.filter { !$0.isFinished && names.contains(TrafficAdvice.workload(of: $0)) }
        let unit = UnitPrices(nodes: snapshot.objects.nodes.compactMap(\.instanceType))
        let asked = pods.reduce(MicroDollars.zero) { sum, pod in
            sum + unit.price(cpu: pod.requests.cpu.rawValue, memory: pod.requests.memory.rawValue)
        }
        let week = snapshot.capturedAt..<snapshot.capturedAt.addingTimeInterval(7 * 86_400)
        let openings = hours.hours.openings(around: snapshot.capturedAt, days: -2...8, holidays: hours.holidays)
        let ceiling =
            hours.hours.isAlwaysOpen
            ? 0 : OfficePhase.savingCeiling(openings: openings, week: week, lead: hours.lead.interval)
        let saving = MicroDollars(rawValue: Int64((Double(asked.rawValue) * ceiling).rounded()))
        var notes = [
            "At most: requests of the pods at list prices, times 1 - (office hours + lead) / hours of a week; nodes that stay and"
                + " ramps are not in it, and it becomes real only as nodes go."
        ]
        if snapshot.cluster.environment == "production" {
            notes.append("A production cluster: only namespaces that the policy lists by name sleep.")
        }
        let told = subjects.compactMap { subject in
            subject.isObjectionTold ? subject.candidate.objection.map { "\(subject.object) stays awake: \($0)" } : nil
        }
        return ReportSection(
            "office-hours", title: "Office hours",
            summary:
                "\(may.count) workloads with \(pods.count) pods could sleep \(Int((ceiling * 100).rounded())) % of the week.",
            savingPerHour: saving, confidence: may.isEmpty ? 0 : 0.5,
            columns: ["workload", "replicas", "asleep"],
            rows: may.sorted { "\($0.object)" < "\($1.object)" }.map {
                ["\($0.object)", "\($0.candidate.level)", "\($0.candidate.asleepLevel)"]
            }, notes: notes + told.sorted().prefix(ReportSection.rowsMax))
    }

    /// Containers that were killed for want of memory: about no saving.
    static func memory(_ question: ReportQuestion) throws -> ReportSection {
        let decision = try RemediateOOM.decide(question.snapshot, policy: question.policy)
        let kills = question.snapshot.objects.pods.flatMap { pod in
            RemediateOOM.kills(of: pod).map { (pod: pod, container: $0.container.name, kill: $0.kill) }
        }.sorted { ($1.kill.at, $0.pod.name) < ($0.kill.at, $1.pod.name) }
        return ReportSection(
            "out-of-memory", title: "Out of memory",
            summary:
                "\(kills.count) containers of living pods were killed for want of memory; one within the last hour gets more, "
                + "as far as its policy goes.",
            columns: ["pod", "container", "killed at"],
            rows: kills.map {
                ["\($0.pod.namespace)/\($0.pod.name)", $0.container, $0.kill.at.formatted(.iso8601)]
            },
            notes: decision.actions.map(\.reason) + decision.findings.map { "\($0.subject): \($0.message)" })
    }
}
