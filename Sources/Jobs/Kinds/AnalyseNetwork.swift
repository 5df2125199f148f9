import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// `analyse-network`: says which services send traffic between zones that could stay in one, from topology alone, and what pairs of
/// workloads do send where VPC flow logs measure it; where the policy allows it, tells Kubernetes to prefer the zone.
public struct AnalyseNetwork: Job {
    /// The kind's name.
    public static let kind: JobKind = "analyse-network"
    /// What a decision reads of the cluster.
    static let lists: Set<ClusterList> = [
        .nodes, .pods, .services, .endpoints, .deployments, .statefulSets, .daemonSets,
    ]

    /// What a request may say.
    public struct Parameters: Codable, Sendable {
        /// Services that are told one by one, those with the largest avoidable share first.
        public var findingsMax: Int
        /// How many times the mean load the busiest endpoint may carry once its zone is preferred.
        public var overloadMax: Double
        /// Minutes of flow logs that are looked at.
        public var sampleMinutes: Int
        /// Pages of flow logs that are read at most: 10,000 records or 1 MiB of CloudWatch Logs, or one object of S3, each.
        public var pagesMax: Int
        /// Megabytes of flow logs that are read at most, unpacked.
        public var megabytesMax: Int
        /// Workloads that one run gives a preference at most: each is a rollout.
        public var changesMax: Int

        private enum CodingKeys: String, CodingKey {
            case findingsMax = "findings_max"
            case overloadMax = "overload_max"
            case sampleMinutes = "sample_minutes"
            case pagesMax = "pages_max"
            case megabytesMax = "megabytes_max"
            case changesMax = "changes_max"
        }

        /// Reads what a request says; what it leaves out is as the jobspec has it.
        public init(from decoder: any Decoder) throws {
            self.init()
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            if let found = try fields.decodeIfPresent(Int.self, forKey: .findingsMax) { findingsMax = found }
            if let found = try fields.decodeIfPresent(Double.self, forKey: .overloadMax) { overloadMax = found }
            if let found = try fields.decodeIfPresent(Int.self, forKey: .sampleMinutes) { sampleMinutes = found }
            if let found = try fields.decodeIfPresent(Int.self, forKey: .pagesMax) { pagesMax = found }
            if let found = try fields.decodeIfPresent(Int.self, forKey: .megabytesMax) { megabytesMax = found }
            if let found = try fields.decodeIfPresent(Int.self, forKey: .changesMax) { changesMax = found }
        }

        /// Asks for a look.
        public init(
            findingsMax: Int = 50, overloadMax: Double = 1.5, sampleMinutes: Int = 60, pagesMax: Int = 100,
            megabytesMax: Int = 128, changesMax: Int = 1
        ) {
            self.findingsMax = findingsMax
            self.overloadMax = overloadMax
            self.sampleMinutes = sampleMinutes
            self.pagesMax = pagesMax
            self.megabytesMax = megabytesMax
            self.changesMax = changesMax
        }
    }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var now: Date
        var round: Int
        var cluster: ClusterID
        var version: String
        var policy: ClusterPolicy
        var objects: ClusterObjects
        var reports: [ActionReport]
        /// nil: there is no flow log, or this is no first round.
        var measured: MeasuredTraffic?
    }

    let parameters: Parameters

    /// Makes the job of one request.
    public init(_ parameters: Parameters) { self.parameters = parameters }

    /// Lists services, their endpoints, and where pods run.
    public func observe(_ context: JobContext) async throws -> Observation {
        let registration = try await context.registration()
        let cluster = try await context.cluster(registration)
        var observation = try await Observation(
            now: context.now, round: context.round, cluster: registration.id, version: cluster.version(),
            policy: context.sources.policies.policy(of: registration.id),
            objects: cluster.objects(AnalyseNetwork.lists, now: context.now), reports: context.reports)
        guard context.round == 0 else { return observation }
        let cloud = try await context.cloud(registration)
        let objects = observation.objects
        observation.measured = try await context.withoutSlot {
            try await MeasuredTraffic.read(
                cloud, objects: objects, now: context.now, minutes: parameters.sampleMinutes,
                pagesMax: parameters.pagesMax, bytesMax: max(1, min(4_096, parameters.megabytesMax)) << 20)
        }
        return observation
    }

    /// A finding for each service whose traffic could stay in its zone, and an action where nothing speaks against it.
    public func decide(_ observation: Observation) throws -> Decision {
        if observation.round > 0 {
            return Decision(
                findings: observation.reports.filter { $0.outcome == .refused }.map {
                    Finding(
                        "network-failed", cluster: observation.cluster, subject: $0.key, .warning,
                        "It was refused (\($0.code)): \($0.message)")
                })
        }
        let judged = Self.judge(observation.objects, policy: observation.policy)
        var decision = Decision()
        for (service, potential) in judged.prefix(parameters.findingsMax) {
            let objection = objection(service, potential, observation)
            decision.findings.append(finding(service, potential, objection, observation))
            guard objection == nil, let wanted = distribution(observation.version) else { continue }
            let object = ObjectReference(
                .service, namespace: service.namespace, name: service.name, uid: service.uid)
            decision.actions.append(
                Action(
                    key: "distribute/\(observation.cluster)/\(service.uid)/\(wanted)",
                    .distributeTraffic(change: TrafficChange(object: object, before: "", after: wanted)),
                    reason: "\(object): \(Int(potential.avoidable * 100)) % of its traffic need not leave the zone"))
        }
        measure(observation, into: &decision)
        decision.result = try JSONText(
            encoding: Summary(
                services: observation.objects.services.count, avoidable: judged.count, measured: observation.measured))
        if !decision.actions.isEmpty { decision.next = .again(afterMilliseconds: 0) }
        return decision
    }

    /// Services of two zones or more about which nobody has decided, by falling avoidable share.
    static func judge(
        _ objects: ClusterObjects, policy: ClusterPolicy
    ) -> [(service: Service, potential: ZonePotential)] {
        let zones = Dictionary(
            objects.nodes.compactMap { node in node.zone.map { (node.name, $0) } },
            uniquingKeysWith: { first, _ in first })
        // Whoever may call: nobody knows who does. Pods of every node, such as log collectors, count as well.
        let clients = objects.pods.filter { !$0.isFinished }
            .compactMap { $0.nodeName.flatMap { zones[$0] } }
            .reduce(into: [String: Int]()) { $0[$1, default: 0] += 1 }
        var judged: [(service: Service, potential: ZonePotential)] = []
        for service in objects.services {
            let slices = objects.endpoints.filter {
                $0.namespace == service.namespace && $0.service == service.name
            }
            // A service of two families has a slice of each for the same pods.
            let family = slices.map(\.addressType).min()
            let endpoints = slices.filter { $0.addressType == family }.flatMap(\.readyByZone)
                .reduce(into: [String: Int]()) { $0[$1.key, default: 0] += $1.value }
            guard
                let potential = ZonePotential(
                    clients: clients, endpoints: endpoints,
                    endpointsMin: policy.network.endpointsPerZoneMin),
                potential.zoneCount >= 2, potential.avoidable > 0, isFree(service)
            else { continue }
            judged.append((service, potential))
        }
        judged.sort {
            ($1.potential.avoidable, $0.service.namespace, $0.service.name)
                < ($0.potential.avoidable, $1.service.namespace, $1.service.name)
        }
        return judged
    }

    private struct Summary: Encodable {
        var services: Int
        var avoidable: Int
        /// GB of the sample, where there is one.
        var measuredGigabytes: Double?
        var crossZoneGigabytes: Double?
        var unknownGigabytes: Double?

        init(services: Int, avoidable: Int, measured: MeasuredTraffic?) {
            self.services = services
            self.avoidable = avoidable
            guard let measured, measured.problem == nil else { return }
            measuredGigabytes = Double(measured.pairs.map(\.bytes).reduce(0, +)) / 1e9
            crossZoneGigabytes = Double(measured.pairs.map(\.crossBytes).reduce(0, +)) / 1e9
            unknownGigabytes = Double(measured.unknownBytes) / 1e9
        }
    }

    /// What was measured, pair by pair, and a preference for the dearest that may have one.
    private func measure(_ observation: Observation, into decision: inout Decision) {
        guard let measured = observation.measured else { return }
        if let problem = measured.problem {
            decision.findings.append(
                Finding(
                    "network-unmeasured", cluster: observation.cluster, subject: "flow-logs", .info,
                    "VPC flow logs could not be read (\(problem)): what follows is from topology alone."))
            return
        }
        if measured.unreadCount > 0 {
            decision.findings.append(
                Finding(
                    "network-logs-unread", cluster: observation.cluster, subject: "flow-logs", .warning,
                    "\(measured.unreadCount) of the VPC flow logs' objects were not read, and nothing of them is counted: "
                        + measured.unread.joined(separator: "; ")))
        }
        let advice = TrafficAdvice(
            cluster: observation.cluster, policy: observation.policy, objects: observation.objects, measured: measured)
        let items = advice.items
        decision.findings += items.prefix(parameters.findingsMax).map(advice.finding)
        var touched: Set<String> = []
        let actions = items.compactMap { item -> Action? in
            guard let uid = item.change?.object.uid, touched.insert(uid).inserted else { return nil }
            return advice.action(item)
        }
        decision.actions += actions.prefix(max(0, parameters.changesMax))
    }

    /// Whether nobody has decided about its zones yet.
    private static func isFree(_ service: Service) -> Bool {
        service.trafficDistribution == nil && service.topologyMode == nil && !service.isHeadless
            && service.internalTrafficPolicy != "Local" && !service.selector.isEmpty && service.type != "ExternalName"
    }

    /// The newest word the server knows for it; nil: it is too old. KEP-3015: PreferSameZone is beta, and on, from 1.34;
    /// PreferClose from 1.31.
    private func distribution(_ version: String) -> String? {
        let parts = version.drop { $0 == "v" }.split(separator: ".")
        guard parts.count >= 2, let major = Int(parts[0]), let minor = Int(parts[1].prefix { $0.isNumber }) else {
            return nil
        }
        if (major, minor) >= (1, 34) { return "PreferSameZone" }
        return (major, minor) >= (1, 31) ? "PreferClose" : nil
    }

    private func objection(_ service: Service, _ potential: ZonePotential, _ observation: Observation) -> String? {
        if let reason = observation.policy.protected.reason(namespace: service.namespace, labels: [:]) { return reason }
        if let tool = service.gitOps { return "\(tool.rawValue) writes it: set it in its repository" }
        if !potential.thinZones.isEmpty {
            let least = observation.policy.network.endpointsPerZoneMin
            return "fewer than \(least) ready endpoints in \(potential.thinZones.joined(separator: ", "))"
        }
        if potential.overload > parameters.overloadMax {
            return "its busiest endpoint would carry \(rounded(potential.overload)) times the mean load"
        }
        if distribution(observation.version) == nil { return "Kubernetes \(observation.version) knows no such field" }
        return nil
    }

    private func rounded(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

    private func finding(
        _ service: Service, _ potential: ZonePotential, _ objection: String?, _ observation: Observation
    ) -> Finding {
        let price = observation.policy.costs.dollarsPerCrossZoneGigabyte
        let perThousand = 1000 * price * potential.avoidable
        let word = distribution(observation.version) ?? "PreferClose"
        let advice = objection.map { "Not advised: \($0)." } ?? "Set trafficDistribution: \(word)."
        return Finding(
            "network-potential", cluster: observation.cluster, subject: "\(service.namespace)/\(service.name)", .info,
            "Of its traffic \(Int(potential.crossNow * 100)) % may cross zones and \(Int(potential.avoidable * 100)) % need"
                + " not: \(rounded(perThousand)) dollars of each 1,000 GB, if its clients are spread as all pods are. That"
                + " is what the layout allows, not what was measured. \(advice)")
    }
}
