import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// What a replacement does next (domain-rules section 3). Pure.
struct ReplaceRules {
    private let seen: ReplaceNode.Observation
    private var memory: ReplaceNode.Memory
    private var decision = Decision()

    /// How often the whole plan is gone through before a person has to look.
    static let cyclesMax = 3
    /// The pause between cycles.
    static let cyclePause: Int64 = 30_000
    /// Passing failures of one step before the next is tried, when the far side surely did nothing each time.
    static let failuresMax = 60
    /// How long a new instance may take to become a Ready node.
    static let joinSeconds: Double = 600
    /// EC2's words for "not from this pool now". Source: Karpenter's unfulfillable codes, domain-rules section 3.
    static let unfulfillable: Set<String> = [
        "InsufficientInstanceCapacity", "MaxSpotInstanceCountExceeded", "VcpuLimitExceeded", "UnfulfillableCapacity",
        "Unsupported", "InsufficientFreeAddressesInSubnet", "MaxFleetCountExceeded", "ReservationCapacityExceeded",
        "SpotMaxPriceTooLow", "noCapacity",
    ]
    /// The account may not use spot at all until somebody creates the service-linked role.
    static let noSpotRole = "AuthFailure.ServiceLinkedRoleCreationNotPermitted"

    init(_ observation: ReplaceNode.Observation) {
        seen = observation
        memory = observation.memory
    }

    /// The decision of this round.
    func decided() throws -> Decision {
        var rules = self
        return try rules.decide()
    }

    private mutating func decide() throws -> Decision {
        guard let interruption = seen.interruption else { return Decision() }
        if let launched = memory.launched { return try join(launched, interruption) }
        guard memory.plan != nil else { return try plan(interruption) }
        return try takeReport(interruption)
    }

    // MARK: The plan

    private mutating func plan(_ interruption: Interruption) throws -> Decision {
        let cluster = seen.registration.id
        guard let requirement = interruption.requirement else {
            return end("no-requirement", .warning, "It is not known what the node carried: nothing is launched.")
        }
        guard requirement.moving.pods > 0 else {
            return end("nothing-to-carry", .info, "The node carried no pods that have to move: nothing is launched.")
        }
        let owner = ReplaceRules.owner(node: seen.node, instance: seen.instance, registration: seen.registration)
        guard owner.mayReplace else {
            return end("owner-replaces", .info, "The node belongs to \(owner): CloudOptim launches nothing for it.")
        }
        if interruption.kind == .stateChange, seen.instance?.stateReason?.hasPrefix("Client.") == true {
            return end("ended-on-purpose", .info, "Somebody ended the instance on purpose: nothing is launched.")
        }
        guard let template = seen.registration.launch?.template ?? seen.instance?.launchTemplate else {
            return end(
                "no-launch-template", .critical,
                "Neither the cluster's registration nor the instance's tags name a launch template: nothing can be launched. Remove the cluster and add it with --launch-template; `clusters check` says for which nodes."
            )
        }
        let interrupted = seen.instance.map {
            SpotPool(region: seen.registration.region, zone: $0.zone, type: $0.type)
        }
        var zones: [String: String?] = [:]
        for (zone, subnet) in seen.zones { zones[zone] = subnet }
        if zones.isEmpty, let zone = seen.instance?.zone ?? seen.node?.zone { zones[zone] = .some(nil) }
        let plan = ReplacementPlan(
            for: .init(
                requirement: requirement, zones: zones,
                families: ReplaceRules.families(seen.registration, seen.policy), interrupted: interrupted,
                unavailable: seen.unavailable, risk: seen.policy.spot, book: book))
        guard !plan.steps.isEmpty else {
            return end(
                "nothing-fits", .critical,
                "No instance type that is known to us carries \(requirement.words) in the zones allowed."
            )
        }
        if let interrupted, seen.instance?.capacity == .spot, interruption.kind == .spotWarning {
            decision.facts.append(.unavailablePool(unavailable(interrupted, .spot, "interrupted")))
        }
        memory.plan = plan
        memory.template = template
        memory.tags = [
            "Name": "cloudoptim-\(cluster)", NodeOwner.ownTag: cluster.rawValue,
            "kubernetes.io/cluster/\(seen.registration.name)": "owned",
            NodeOwner.poolTag: seen.instance?.tags[NodeOwner.poolTag] ?? "default",
            "cloudoptim.io/replaces": interruption.instance.rawValue,
        ]
        return try launch(interruption)
    }

    /// The families that both the registration and the policy allow; empty: all.
    static func families(_ registration: ClusterRegistration, _ policy: ClusterPolicy) -> [String] {
        let registered = registration.launch?.families ?? []
        if registered.isEmpty || policy.spot.families.isEmpty { return registered + policy.spot.families }
        let both = registered.filter(policy.spot.families.contains)
        return both.isEmpty ? registered : both
    }

    /// Who launches the replacement. An instance that is the cluster's own by tag, comes from a launch template and has
    /// no controller that would replace it, is ours to replace.
    static func owner(node: Node?, instance: Instance?, registration: ClusterRegistration) -> NodeOwner {
        let owner = NodeOwner.of(
            node: node, instance: instance, cluster: registration.id, ownTemplate: registration.launch?.template.id)
        guard owner == .unknown, let instance else { return owner }
        let isControlled = instance.tags.keys.contains { $0.hasPrefix("sigs.k8s.io/cluster-api") }
        let isOwned = instance.tags["kubernetes.io/cluster/\(registration.name)"] == "owned"
        return isOwned && !isControlled && instance.launchTemplate != nil ? .ours : .unknown
    }

    private mutating func launch(_ interruption: Interruption, pause: Int64 = 0) throws -> Decision {
        guard let plan = memory.plan, let template = memory.template, memory.step < plan.steps.count else {
            return try exhausted(interruption)
        }
        let step = plan.steps[memory.step]
        decision.actions = [
            Action(
                key: key(interruption),
                .createFleet(
                    request: FleetRequest(
                        template: template, capacity: step.capacity, overrides: step.pools, tags: memory.tags)),
                reason: "\(interruption.instance) is about to go; \(step.summary), \(step.pools.count) pools")
        ]
        decision.progress = progress
        decision.memory = try JSONText(encoding: memory)
        decision.next = .again(afterMilliseconds: pause)
        return decision
    }

    /// Launched, and joined.
    private var progress: JobProgress {
        if let launched = memory.launched {
            return JobProgress(done: 1, total: 2, note: "waits for the node of \(launched.id)")
        }
        let steps = memory.plan?.steps.count ?? 0
        return JobProgress(
            done: 0, total: 2, note: "launch \(memory.launches + 1), step \(min(memory.step + 1, steps)) of \(steps)")
    }

    private func key(_ interruption: Interruption) -> String {
        "replace/\(seen.registration.id)/\(interruption.intent)/\(memory.launches)"
    }

    // MARK: The answers

    private mutating func takeReport(_ interruption: Interruption) throws -> Decision {
        guard let report = seen.reports.first(where: { $0.key == key(interruption) }) else {
            return try launch(interruption)
        }
        let step = memory.plan?.steps[memory.step]
        if let fleet = report.fleet {
            for failure in fleet.failures where ReplaceRules.unfulfillable.contains(failure.code) {
                if let type = failure.type, let zone = failure.zone {
                    let pool = SpotPool(region: seen.registration.region, zone: zone, type: type)
                    decision.facts.append(
                        .unavailablePool(unavailable(pool, step?.capacity ?? .spot, failure.code)))
                }
            }
            if let launched = fleet.launched.first {
                memory.launched = launched
                memory.capacity = step?.capacity
                memory.launchedAt = seen.now
                decision.facts.append(.interruptionProgress(.init(of: interruption, replacement: launched.id)))
                return try look(after: 3_000)
            }
            return try nextStep(
                interruption, code: fleet.failures.first?.code ?? "", message: fleet.failures.first?.message ?? "")
        }
        switch report.outcome {
        case .failed:
            // The same key and token again: whether the last call launched something is open.
            memory.failures += 1
            guard memory.failures < ReplaceRules.failuresMax else {
                return end(
                    "launch-fails", .critical,
                    "The launch failed \(memory.failures) times: \(report.code): \(report.message)")
            }
            let backoff = min(10_000, Int64(500) << Int64(min(memory.failures - 1, 5)))
            let wait = max(backoff, report.retryAfterMilliseconds ?? 0)
            return try again(interruption, after: wait)
        case .refused:
            if report.code == ReplaceRules.noSpotRole || ReplaceRules.unfulfillable.contains(report.code) {
                return try nextStep(interruption, code: report.code, message: report.message)
            }
            return end("launch-refused", .critical, "EC2 refused the launch (\(report.code)): \(report.message)")
        case .done, .gone, .blocked, .impossible, .withheld, .skipped:
            return end("launch-odd", .critical, "The launch ended as '\(report.outcome.rawValue)' without an answer.")
        }
    }

    /// A pause, then the same step under the same key.
    private mutating func again(_ interruption: Interruption, after milliseconds: Int64) throws -> Decision {
        decision.progress = progress
        decision.memory = try JSONText(encoding: memory)
        decision.next = .again(afterMilliseconds: milliseconds)
        return decision
    }

    private mutating func nextStep(_ interruption: Interruption, code: String, message: String) throws -> Decision {
        if code == ReplaceRules.noSpotRole {
            decision.findings.append(
                Finding(
                    "no-spot-role", cluster: seen.registration.id, subject: seen.registration.account, .critical,
                    "The account has no service-linked role for spot: create it once with 'aws iam create-service-linked-role --aws-service-name spot.amazonaws.com'."
                ))
        }
        memory.launches += 1
        memory.failures = 0
        repeat { memory.step += 1 } while code == ReplaceRules.noSpotRole && isSpot(memory.step)
        return try launch(interruption)
    }

    private func isSpot(_ step: Int) -> Bool {
        guard let steps = memory.plan?.steps, step < steps.count else { return false }
        return steps[step].capacity == .spot
    }

    private mutating func exhausted(_ interruption: Interruption) throws -> Decision {
        memory.cycle += 1
        memory.step = 0
        guard memory.cycle < ReplaceRules.cyclesMax else {
            return end(
                "no-capacity", .critical,
                "No pool gave an instance, spot or on demand, in \(ReplaceRules.cyclesMax) rounds of the whole plan: pods may stay pending."
            )
        }
        return try again(interruption, after: ReplaceRules.cyclePause)
    }

    // MARK: The end

    private mutating func look(after milliseconds: Int64) throws -> Decision {
        decision.progress = progress
        decision.memory = try JSONText(encoding: memory)
        decision.next = .again(afterMilliseconds: milliseconds)
        return decision
    }

    private mutating func join(_ launched: FleetAnswer.Launched, _ interruption: Interruption) throws -> Decision {
        let result = JSONText(text: "{\"replacement\":\"\(launched.id)\",\"joined\":\(seen.hasJoined)}")
        if seen.hasJoined {
            if memory.capacity == .spot, let saving = saving(launched, interruption) {
                decision.facts.append(.saving(saving))
            }
            decision.result = result
            return decision
        }
        if seen.now.timeIntervalSince(memory.launchedAt ?? seen.now) > ReplaceRules.joinSeconds {
            decision.result = result
            return end(
                "replacement-did-not-join", .critical,
                "\(launched.id) was launched and is no Ready node after \(Int(ReplaceRules.joinSeconds)) s: look at its user data, its role's access entry and its subnets."
            )
        }
        return try look(after: 5_000)
    }

    /// What it costs less than the same type on demand, by the prices we know; nil: we know too little.
    private func saving(_ launched: FleetAnswer.Launched, _ interruption: Interruption) -> SavingFact? {
        guard let before = book.onDemand(launched.type)?.price,
            let after = book.expectedSpot(launched.type, zone: launched.zone), after < before
        else { return nil }
        return SavingFact(
            key: "saving/\(seen.registration.id)/\(interruption.intent)", cluster: seen.registration.id,
            feature: .interruptions, .cheaper, subject: launched.id.rawValue, before: before, after: after,
            since: memory.launchedAt ?? seen.now)
    }

    private var book: PoolBook {
        PoolBook(
            region: seen.registration.region, prices: seen.prices, onDemand: seen.onDemand, advice: seen.advice,
            incidents: seen.incidents, now: seen.now)
    }

    private func unavailable(_ pool: SpotPool, _ capacity: CapacityType, _ reason: String) -> UnavailablePoolFact {
        UnavailablePoolFact(
            account: seen.registration.account, pool: pool, capacity: capacity,
            until: seen.now.addingTimeInterval(seen.policy.spot.unavailableFor.interval), reason: reason)
    }

    private mutating func end(_ code: String, _ severity: Finding.Severity, _ message: String) -> Decision {
        decision.findings.append(
            Finding(
                code, cluster: seen.registration.id, subject: seen.interruption?.instance.rawValue ?? "", severity,
                message))
        decision.actions = []
        decision.memory = nil
        decision.next = severity == .info ? .done : .stop(reason: code)
        return decision
    }
}
