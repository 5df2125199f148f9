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
        var followUps: [JobRequest] = []
        var isAcknowledged = true
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
        var opened: [(ResolvedInstance, Interruption)] = []
        for item in known {
            guard let interruption = interruption(item, event: event, kind: kind, deadline: deadline) else { continue }
            verdict.facts.append(.interruption(interruption))
            opened.append((item, interruption))
        }
        guard !opened.isEmpty else { return noted(event, "its interruption is closed", cluster) }
        verdict.followUps = followUps(opened, event: event, kind: kind, deadline: deadline)
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

    private func followUps(
        _ opened: [(ResolvedInstance, Interruption)], event: FleetEvent, kind: InterruptionKind, deadline: Date
    ) -> [JobRequest] {
        let delay = kind == .maintenance ? max(0, deadline.timeIntervalSince(observation.now) - lead) : 0
        let clusters = Dictionary(grouping: opened, by: \.0.cluster).sorted { $0.key < $1.key }
        return clusters.flatMap { cluster, items -> [JobRequest] in
            let intents = items.map(\.1).sorted { $0.instance < $1.instance }
            return stride(from: 0, to: intents.count, by: EventRules.instancesPerJob).map { start in
                let part = intents[start..<min(start + EventRules.instancesPerJob, intents.count)]
                let name = part.count == 1 ? part[start].intent : "\(event.id)/\(start)"
                // A drain that waits for its maintenance window must not stand in the way of a warning that comes first.
                let prefix = delay > 0 ? "maintenance" : "interruption"
                return JobRequest(
                    InterruptNode.kind, parameters: InterruptNode.parameters(part.map(\.instance)),
                    target: cluster.rawValue,
                    key: IdempotencyKey("\(prefix)/\(observation.tenant)/\(cluster)/\(name)", release: .atEnd),
                    delay: delay > 0 ? .milliseconds(Int64(delay * 1000)) : nil)
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
