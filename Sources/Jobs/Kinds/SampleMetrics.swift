import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// `sample-metrics`: asks the metrics server once a minute what pods use, and adds it to the histograms of their workloads.
///
/// One LIST for each cluster: whose pod it is follows from the labels that the metrics server repeats. What is late is
/// dropped and never made up for; a sample that is there is not added again.
public struct SampleMetrics: Job {
    /// The kind's name.
    public static let kind: JobKind = "sample-metrics"

    /// What a request may say.
    public struct Parameters: Codable, Sendable {
        /// Containers of workloads that are kept; more are left out, and that is told.
        public var containersMax: Int

        private enum CodingKeys: String, CodingKey { case containersMax = "containers_max" }

        /// Reads what a request says; what it leaves out is as the jobspec has it.
        public init(from decoder: any Decoder) throws {
            self.init()
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            if let found = try fields.decodeIfPresent(Int.self, forKey: .containersMax) { containersMax = found }
        }

        /// Asks for a sample.
        public init(containersMax: Int = 5000) { self.containersMax = containersMax }
    }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var now: Date
        var cluster: ClusterID
        /// What the metrics server answered; nil: there is none, or it did not answer.
        var usage: [PodUsage]?
        var problem: String
        /// The newest sample of each container.
        var last: [String: Date]
    }

    let parameters: Parameters

    /// Makes the job of one request.
    public init(_ parameters: Parameters) { self.parameters = parameters }

    /// Lists the pods' metrics.
    public func observe(_ context: JobContext) async throws -> Observation {
        let registration = try await context.registration()
        let objects = try await context.cluster(registration).objects([.usage], now: context.now)
        let reading = objects.reading(.usage)
        let isThere = reading?.outcome == .complete || reading?.outcome == .partial
        let yesterday = SampleMetrics.day(of: context.now) - 1
        let last = try await context.sources.usage.lastSamples(in: registration.id, sinceDay: yesterday)
        return Observation(
            now: context.now, cluster: registration.id, usage: isThere ? objects.usage : nil,
            problem: reading.map { "\($0.outcome.rawValue) \($0.problem)" } ?? "not read",
            last: Dictionary(last.map { ($0.key.description, $0.value) }, uniquingKeysWith: { first, _ in first }))
    }

    /// One fact for each container that was sampled.
    public func decide(_ observation: Observation) throws -> Decision {
        guard let usage = observation.usage else {
            return Decision(
                findings: [
                    Finding(
                        "no-metrics", cluster: observation.cluster, subject: "metrics.k8s.io", .info,
                        "Pod metrics could not be read (\(observation.problem)): rightsizing has nothing to go by. Install"
                            + " metrics-server, or allow 'list pods' in metrics.k8s.io.")
                ])
        }
        var sums: [ContainerKey: UsageDay] = [:]
        var unattributed = 0
        for pod in usage {
            guard let owner = PodOwner(pod: pod.pod, labels: pod.labels) else {
                unattributed += 1
                continue
            }
            for container in pod.containers {
                let key = ContainerKey(
                    namespace: pod.namespace, kind: owner.kind, workload: owner.name, container: container.name)
                // A metrics server that has not looked again answers the same sample once more.
                if let last = observation.last[key.description], pod.at <= last { continue }
                add(container, at: pod.at, to: &sums[key])
            }
        }
        let kept = sums.sorted { $0.key < $1.key }.prefix(parameters.containersMax)
        var decision = Decision()
        decision.facts = kept.map { .usage(UsageFact(cluster: observation.cluster, key: $0.key, usage: $0.value)) }
        if !usage.isEmpty, observation.last[ContainerKey.sampler.description].map({ $0 < observation.now }) ?? true {
            decision.facts.append(
                .usage(UsageFact(cluster: observation.cluster, key: .sampler, usage: minute(observation.now))))
        }
        if sums.count > kept.count {
            decision.findings.append(
                Finding(
                    "too-many-containers", cluster: observation.cluster, subject: "sample-metrics", .warning,
                    "\(sums.count - kept.count) of \(sums.count) containers are not sampled: raise containers_max."))
        }
        struct Summary: Encodable {
            var pods: Int
            var containers: Int
            var unattributed: Int
        }
        decision.result = try JSONText(
            encoding: Summary(pods: usage.count, containers: kept.count, unattributed: unattributed))
        return decision
    }

    private func add(_ container: ContainerUsage, at: Date, to sum: inout UsageDay?) {
        var day =
            sum
            ?? UsageDay(
                day: SampleMetrics.day(of: at), cpu: UsageHistogram(), memoryMax: 0, minutes: 1, firstAt: at, lastAt: at
            )
        day.cpu.add(Double(container.cpu.rawValue), scale: .milliCPU)
        day.memoryMax = max(day.memoryMax, container.memory)
        day.firstAt = min(day.firstAt, at)
        day.lastAt = max(day.lastAt, at)
        sum = day
    }

    private func minute(_ now: Date) -> UsageDay {
        UsageDay(
            day: SampleMetrics.day(of: now), cpu: UsageHistogram(), memoryMax: 0, minutes: 1, firstAt: now, lastAt: now)
    }

    static func day(of instant: Date) -> Int { Int((instant.timeIntervalSince1970 / 86_400).rounded(.down)) }
}
