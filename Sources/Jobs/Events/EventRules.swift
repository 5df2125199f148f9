import Foundation
import Infrastructure
import JobQueue

/// What each event leads to (domain-rules section 3). Pure.
struct EventRules {
    let observation: PollSQS.Observation
    /// Seconds before a maintenance at which its drain begins.
    let lead: Double
    /// Seconds an Auto Scaling group is taken to wait.
    let lifecycleSeconds: Double

    /// A warning whose time has passed this long ago changes nothing any more.
    static let lateMax: Double = 600
    /// An interruption left open this long after its deadline is over: a new warning is a new one.
    static let staleAfter: Double = 3600
    /// Instances in one interrupt-node job: two follow-ups each.
    static let instancesPerJob = 25

    struct Verdict {
        var word: String
        var facts: [Fact] = []
        var findings: [Finding] = []
        var intents: [Intent] = []
        var isAcknowledged = true
    }

    /// An interruption that somebody has to see to.
    struct Intent: Hashable {
        var interruption: Interruption
        /// Not before then: a maintenance window; nil: at once.
        var delay: Duration?
    }

    func verdict(on message: ReadMessage) -> Verdict {
        guard let event = message.event else {
            let letter = DeadLetterFact(
                message: message.id, queue: observation.queue, error: message.error ?? "unreadable",
                bodyBase64: message.bodyBase64 ?? "")
            return Verdict(word: "dead_letters", facts: [.deadLetter(letter)])
        }
        guard let kind = event.interruption else { return noted(event, "asks nothing of us") }
        let places = Place.places(of: event, among: observation.clusters)
        if places.isEmpty { return verdict(event, .foreign, word: "foreign") }
        if event.instances.contains(where: observation.unresolvable.contains) {
            return Verdict(word: "postponed", isAcknowledged: false)
        }
        let candidates = observation.clusters.filter { places.contains(Place(of: $0)) }.map(\.id)
        let known = observation.resolved.filter {
            event.instances.contains($0.instance) && candidates.contains($0.cluster)
        }
        guard let first = known.first else { return verdict(event, .unknownInstance, word: "unknown_instances") }
        return accepted(event, kind: kind, known: known, cluster: first.cluster)
    }

    private func accepted(
        _ event: FleetEvent, kind: InterruptionKind, known: [ResolvedInstance], cluster: ClusterID
    ) -> Verdict {
        let deadline = event.deadline(lifecycleSeconds: lifecycleSeconds)
        if kind != .stateChange, observation.now.timeIntervalSince(deadline) > EventRules.lateMax {
            var late = noted(
                event, "came \(Int(observation.now.timeIntervalSince(deadline))) s after its deadline", cluster)
            late.findings = [
                Finding(
                    "late-event", cluster: cluster, subject: known[0].instance.rawValue, .warning,
                    "A \(event.kind.name) came too late to act on: the queue was not read, or keeps messages longer than 300 s."
                )
            ]
            return late
        }
        var verdict = verdict(event, .accepted, word: "accepted", cluster: cluster)
        let opened = known.compactMap { interruption($0, event: event, kind: kind, deadline: deadline) }
        verdict.facts += opened.map { .interruption($0) }
        guard !opened.isEmpty else { return noted(event, "its interruption is closed", cluster) }
        let wait = kind == .maintenance ? deadline.timeIntervalSince(observation.now) - lead : 0
        let delay: Duration? = wait > 0 ? .milliseconds(Int64(wait * 1000)) : nil
        verdict.intents = opened.map { Intent(interruption: $0, delay: delay) }
        return verdict
    }

    /// The interruption an event opens or merges with; nil: it is an echo of one that is closed.
    private func interruption(
        _ item: ResolvedInstance, event: FleetEvent, kind: InterruptionKind, deadline: Date
    ) -> Interruption? {
        var hook: LifecycleAction?
        if case .lifecycle(let action) = event.kind { hook = action }
        let last = observation.interruptions.filter { $0.cluster == item.cluster && $0.instance == item.instance }
            .max { $0.generation < $1.generation }
        var generation = 1
        if let last {
            let isStale = event.at.timeIntervalSince(last.deadline) > EventRules.staleAfter
            generation = last.generation
            if let closedAt = last.closedAt {
                // What ends an instance echoes as state changes; only a new warning opens its story again.
                guard kind != .stateChange, event.at > closedAt else { return nil }
                generation += 1
            } else if isStale {
                generation += 1
            }
        }
        return Interruption(
            cluster: item.cluster, instance: item.instance, generation: generation, kind: kind, eventAt: event.at,
            deadline: deadline, lifecycle: hook)
    }

    /// The jobs for what a round's messages ask: warnings come in swarms, and one job sees to many instances at once.
    static func followUps(_ intents: [Intent], tenant: Tenant) -> [JobRequest] {
        struct Group: Hashable {
            var cluster: ClusterID
            var delay: Duration?
        }
        let groups = Dictionary(grouping: Set(intents)) {
            Group(cluster: $0.interruption.cluster, delay: $0.delay)
        }
        let ordered = groups.sorted {
            ($0.key.cluster, $0.key.delay ?? .zero) < ($1.key.cluster, $1.key.delay ?? .zero)
        }
        return ordered.flatMap { group, intents -> [JobRequest] in
            // Several events about one instance: the one that comes first says it all.
            let names = Dictionary(intents.map { ($0.interruption.intent, $0.interruption.instance) }) { first, _ in
                first
            }
            .sorted { $0.key < $1.key }
            return stride(from: 0, to: names.count, by: instancesPerJob).map { start in
                let part = names[start..<min(start + instancesPerJob, names.count)]
                let name =
                    part.count == 1 ? part[start].key : SHA256Digest.hex(of: part.map(\.key).joined(separator: ","))
                // A drain that waits for its maintenance window must not stand in the way of a warning that comes first.
                let prefix = group.delay == nil ? "interruption" : "maintenance"
                return JobRequest(
                    InterruptNode.kind, parameters: InterruptNode.parameters(part.map(\.value)),
                    target: group.cluster.rawValue,
                    key: IdempotencyKey("\(prefix)/\(tenant)/\(group.cluster)/\(name)", release: .atEnd),
                    delay: group.delay)
            }
        }
    }

    private func noted(_ event: FleetEvent, _ note: String, _ cluster: ClusterID? = nil) -> Verdict {
        verdict(event, .noted, word: "noted", cluster: cluster, note: note)
    }

    private func verdict(
        _ event: FleetEvent, _ outcome: EventOutcome, word: String, cluster: ClusterID? = nil, note: String = ""
    ) -> Verdict {
        let key = "event/\(observation.tenant)/\(event.account)/\(event.region)/\(event.id)"
        let fact = EventFact(
            key: key, queue: observation.queue, kind: event.kind.name, account: event.account, region: event.region,
            instances: Array(event.instances.prefix(10)), cluster: cluster, at: event.at, outcome: outcome, note: note)
        return Verdict(word: word, facts: [.event(fact)])
    }
}
