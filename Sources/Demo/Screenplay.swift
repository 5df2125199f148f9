import Foundation
import Redis

/// The story, from the first warning to the evidence. One task, one look at the world at a time.
actor Screenplay {
    private let stage: Stage
    private let props: Stage.Props
    private let narrator: Narrator
    private var watcher = Watcher()

    private var state: WorldState
    private var calls: [LoggedCall] = []
    private var lastCall = 0
    private var jobs: [LedgerWindow.Job] = []
    private var jobsSeen: [String: String] = [:]
    private var warned: [SentNotice] = []
    private var strangers: [String] = []
    private var told: Set<String> = []
    private var savings: [String: Double] = [:]
    private var kill: Evidence.Kill?
    private var idsFlushed: Int?
    private var load = LedgerWindow.Load(ended: 0, other: 0)

    private var lookedAt = ContinuousClock.now

    /// How often the world is looked at.
    private static let lookEvery = Duration.milliseconds(150)

    init(stage: Stage, props: Stage.Props, narrator: Narrator) async throws {
        self.stage = stage
        self.props = props
        self.narrator = narrator
        state = try await props.farSide.state()
    }

    /// Plays all acts. Nothing here decides whether it went well: what did not happen in its time is for the judge.
    func play() async throws -> Evidence {
        try await introduce()
        try await firstWarnings()
        try await killWorker()
        try await secondWarnings()
        let isEmpty = try await until(seconds: 110) { scene in scene.allSettled }
        if isEmpty { try await jumpAhead() }
        _ = try await until(seconds: 60) { scene in scene.isOver }
        try await tellSavings()
        return try await evidence()
    }

    // MARK: Acts

    private func introduce() async throws {
        let pods = try await props.farSide.pods()
        watcher.begin(pods: pods)
        let spot = state.nodes.count { $0.capacityType == "spot" }
        let apps = pods.count { $0.owner != nil }
        narrator.heading(
            "The world: cluster '\(DemoSettings.cluster)' has \(state.nodes.count) nodes (\(spot) of them spot) and "
                + "\(apps) pods. Nothing of CloudOptim runs in it.")
        narrator.plain(
            "AWS takes a spot instance back two minutes after its warning. Until then its pods must have moved, "
                + "politely, and a replacement must be there.")
    }

    /// Two nodes, whose messages come twice as SQS may deliver them, and two events that are none of our business.
    private func firstWarnings() async throws {
        narrator.heading("Act 1. Two warnings, and some noise")
        try await warn(nodes: 2, copies: 2)
        try await noise()
        _ = try await until(seconds: 25) { scene in scene.warned.allSatisfy { scene.node($0)?.cordonedAt != nil } }
    }

    /// Kills the worker of a drain that has asked some pods to leave and still has some there.
    private func killWorker() async throws {
        narrator.heading("Act 2. A worker dies in the middle of a drain")
        var chosen: Middle?
        _ = try await until(seconds: 30) { scene in
            chosen = scene.drainInTheMiddle()
            return chosen != nil
        }
        guard let chosen else {
            narrator.say(.crash, "no drain was found in the middle: nobody is killed")
            return
        }
        let held = jobs.filter { $0.worker == chosen.worker && $0.state == "running" }.map { job in
            job.instance == nil ? job.kind : "\(job.kind) of \(name(of: job))"
        }.sorted()
        try await stage.children.kill(chosen.worker)
        let moment = ContinuousClock.now
        kill = Evidence.Kill(
            worker: chosen.worker, job: chosen.job.id, fence: chosen.job.fence, asked: chosen.asked, pods: chosen.pods)
        narrator.say(
            .crash,
            "SIGKILL \(chosen.worker) in the middle of a drain: \(chosen.asked) of \(chosen.pods) pods asked to "
                + "leave, the node not empty yet. It was at \(Narrator.list(held))")
        let isTaken = try await until(seconds: 45) { scene in
            scene.tellTakeovers(from: chosen.worker, since: moment)
            return scene.jobs.allSatisfy { $0.isEnded || $0.worker != chosen.worker }
                && scene.jobs.contains { $0.id == chosen.job.id && $0.worker != nil && $0.fence > chosen.job.fence }
        }
        if !isTaken { narrator.say(.crash, "nobody took the jobs of \(chosen.worker) over") }
    }

    /// Two more warnings while Redis forgets everything and the favourite spot pools are empty.
    private func secondWarnings() async throws {
        narrator.heading("Act 3. Two more warnings, in a rush of other jobs, and Redis is flushed")
        let type = state.nodes.first { $0.clientToken != nil }?.instanceType
        if let type {
            try await props.farSide.exhaustSpot(of: type)
            narrator.say(.market, "from now on EC2 has no spot capacity of \(type) left, in any zone")
        }
        try await stage.cloudoptim(
            [
                "enqueue", "noop", "--count", "\(DemoSettings.loadJobs)",
                "--parameters", "{\"wait_milliseconds\":2000}",
            ], props.environment)
        narrator.say(.queue, "\(DemoSettings.loadJobs) other jobs, of two seconds each, are put before the workers")
        try await warn(nodes: 2, copies: 1)
        try await flush()
    }

    private func flush() async throws {
        func words(_ text: String...) -> [[UInt8]] { text.map { Array($0.utf8) } }
        guard case .array(let keys) = try await props.redis.command(words("KEYS", "co:*:r:*")) else {
            throw DemoError("Redis does not answer KEYS with a list")
        }
        let lists = keys.compactMap(\.text)
        let replies = try await props.redis.pipeline(lists.map { words("LLEN", $0) } + [words("FLUSHALL")])
        let ids = replies.map { reply in if case .integer(let length) = reply { Int(length) } else { 0 } }.reduce(0, +)
        idsFlushed = ids
        narrator.say(
            .crash,
            "FLUSHALL: Redis forgets everything, the ids of \(Narrator.count(ids, "waiting job")) too, while the "
                + "warnings are on their way")
    }

    /// Nobody wants to watch an empty node for a minute and a half.
    private func jumpAhead() async throws {
        guard let last = warned.map(\.deadline).max() else { return }
        let seconds = last.timeIntervalSince(try await props.farSide.state().time) + 1
        narrator.heading("Act 4. The two minutes are over")
        if seconds > 1 {
            narrator.say(.clock, "all nodes are empty: the world's clock jumps \(Int(seconds)) s ahead")
            try await stage.cloudoptim(
                ["simulate", "clock", "advance", String(format: "%.3f", seconds)], props.environment)
        }
    }

    // MARK: Warnings

    private func warn(nodes: Int, copies: Int) async throws {
        let notices = try await props.farSide.warn(nodes: nodes, copies: copies)
        warned += notices
        for notice in notices {
            let gone = narrator.seconds + notice.deadline.timeIntervalSince(state.time) - sinceLook
            let twice = copies > 1 ? "; its message comes twice" : ""
            let what = node(notice).map { " (\($0.instanceType), \($0.zone))" } ?? ""
            narrator.say(
                .warning,
                "spot warning for \(Watcher.short(notice.node))\(what): gone at +\(Int(gone.rounded())) s\(twice)")
        }
    }

    private var sinceLook: Double { (ContinuousClock.now - lookedAt) / .seconds(1) }

    /// A forged warning from another account for one of our instances, and one for an instance nobody knows.
    private func noise() async throws {
        guard let victim = state.nodes.last(where: { node in !warned.contains { $0.instanceID == node.instanceID } })
        else { throw DemoError("the world has no node that was not warned") }
        let cluster = props.farSide.cluster
        let unknown = "i-0badcafe000000001"
        for (account, instance) in [("999999999999", victim.instanceID), (cluster.account, unknown)] {
            strangers.append(instance)
            let event: [String: Any] = [
                "version": "0", "id": UUID().uuidString.lowercased(), "source": "aws.ec2", "account": account,
                "detail-type": "EC2 Spot Instance Interruption Warning", "region": cluster.region,
                "time": state.time.ISO8601Format(),
                "resources": ["arn:aws:ec2:\(cluster.region):\(account):instance/\(instance)"],
                "detail": ["instance-id": instance, "instance-action": "terminate"],
            ]
            let text = String(decoding: try JSONSerialization.data(withJSONObject: event), as: UTF8.self)
            try await props.farSide.sendMessage(text)
        }
        narrator.say(
            .warning,
            "noise in the same queue: a warning from a foreign account for \(victim.instanceID), one for an unknown "
                + "\(unknown)")
    }

    // MARK: Looking

    private func until(
        seconds: Double, _ condition: (isolated Screenplay) throws -> Bool
    ) async throws -> Bool {
        let limit = min(narrator.seconds + seconds, DemoSettings.secondsMax)
        while true {
            try await look()
            if try condition(self) { return true }
            if narrator.seconds > limit { return false }
            try await Task.sleep(for: Self.lookEvery)
        }
    }

    private func look() async throws {
        try await stage.stumble()
        let page = try await props.farSide.log(after: lastCall)
        let pods = try await props.farSide.pods()
        jobs = try await props.ledger.jobs()
        load = try await props.ledger.load()
        state = try await props.farSide.state()
        lookedAt = .now
        lastCall = page.lastSequence
        calls += page.entries
        for job in jobs { jobsSeen[job.id] = job.kind }
        for line in watcher.lines(state: state, calls: page.entries, pods: pods) { narrator.say(line.topic, line.text) }
        try await tellLaunches()
        try await tellStrays()
    }

    private func node(_ notice: SentNotice) -> WorldState.Node? { state.node(of: notice.instanceID) }

    /// A drain that has begun and is not done, and who runs it.
    private struct Middle {
        var job: LedgerWindow.Job
        var worker: String
        var asked: Int
        var pods: Int
    }

    private func drainInTheMiddle() -> Middle? {
        let found = warned.compactMap { notice -> Middle? in
            guard let node = node(notice), node.drainedAt == nil, !node.removals.isEmpty,
                let job = jobs.first(where: { $0.kind == "drain-node" && $0.instance == notice.instanceID }),
                job.state == "running", let worker = job.worker
            else { return nil }
            return Middle(job: job, worker: worker, asked: node.removals.count, pods: node.podsAtInterruption)
        }
        return found.max { $0.pods - $0.asked < $1.pods - $1.asked }
    }

    /// Every warned node is empty, its replacement in the cluster, and all pods run again.
    private var allSettled: Bool {
        let joined = state.nodes.count { $0.clientToken != nil }
        return warned.allSatisfy { node($0)?.drainedAt != nil } && joined >= warned.count
            && state.clusters.allSatisfy { $0.podsPending == 0 && $0.podsReady == $0.pods }
    }

    /// The instances are gone, and the jobs of the interruptions have ended.
    private var isOver: Bool {
        warned.allSatisfy { node($0)?.terminatedAt != nil && node($0)?.removedAt != nil }
            && load.other == 0
            && jobs.allSatisfy { $0.isEnded || !["interrupt-node", "drain-node", "replace-node"].contains($0.kind) }
    }

    // MARK: Telling

    private func tellTakeovers(from worker: String, since moment: ContinuousClock.Instant) {
        for job in jobs where job.kind == "drain-node" || job.kind == "replace-node" {
            guard let heir = job.worker, heir != worker, job.fence > 1, told.insert("takeover/\(job.id)").inserted
            else {
                continue
            }
            let seconds = Narrator.number((ContinuousClock.now - moment) / .seconds(1))
            let resumed = job.round.map { ", goes on after round \($0) of its checkpoint" } ?? ""
            narrator.say(
                .queue, "job \(job.kind) of \(name(of: job)) taken over by \(heir) \(seconds) s later\(resumed)")
        }
    }

    private func name(of job: LedgerWindow.Job) -> String {
        job.instance.flatMap { state.node(of: $0) }.map { Watcher.short($0.node) } ?? job.instance ?? "?"
    }

    private func tellLaunches() async throws {
        let launched = Set(state.launchesByToken.values.flatMap(\.instanceIDs))
        guard !launched.subtracting(told).isEmpty else { return }
        for instance in try await props.farSide.instances(tag: Judge.replacesTag)
        where told.insert(instance.id).inserted {
            let old = instance.tags[Judge.replacesTag] ?? "?"
            let node = state.node(of: old).map { Watcher.short($0.node) } ?? old
            let why = try await props.ledger.launchReason(of: old).map { ", because: \($0)" } ?? ""
            narrator.say(
                .launch,
                "replacement \(instance.id) (\(instance.type) \(instance.isSpot ? "spot" : "on demand") "
                    + "\(instance.zone)) for \(node)\(why)")
            guard instance.isSpot,
                let spot = try await props.farSide.spotPrice(type: instance.type, zone: instance.zone),
                let onDemand = try await props.farSide.onDemandPrice(type: instance.type)
            else { continue }
            savings[instance.id] = onDemand - spot
            narrator.say(
                .saved,
                "\(instance.type) costs \(Self.dollars(spot)) an hour as spot, \(Self.dollars(onDemand)) on demand: "
                    + "\(Self.dollars(onDemand - spot)) an hour less")
        }
    }

    private func tellStrays() async throws {
        guard !strangers.isEmpty, !told.contains("strays") else { return }
        let events = try await props.ledger.strayEvents()
        guard events.count >= strangers.count else { return }
        told.insert("strays")
        let outcomes = events.map { $0.outcome == "foreign" ? "foreign account" : "unknown instance" }
        narrator.say(.ignored, "the noise is noted and left alone (\(Narrator.list(outcomes)))")
    }

    private func tellSavings() async throws {
        guard !savings.isEmpty else { return }
        let total = savings.values.reduce(0, +)
        narrator.say(
            .saved,
            "\(Narrator.count(savings.count, "spot replacement")) of known price: together \(Self.dollars(total)) "
                + "an hour less than on demand, by the simulated market")
    }

    static func dollars(_ value: Double) -> String { "$" + String(format: "%.4f", value) }

    // MARK: Evidence

    private func evidence() async throws -> Evidence {
        try await look()
        return Evidence(
            warned: warned, strangers: strangers, state: state, calls: calls,
            replacements: try await props.farSide.instances(tag: Judge.replacesTag),
            messagesLeft: try await props.farSide.messagesLeft(), jobs: jobs, jobsSeen: jobsSeen,
            unaccounted: try await props.ledger.unaccounted(),
            scheduledKinds: try await props.ledger.scheduledKinds(),
            lateSchedules: try await props.ledger.lateSchedules(seconds: 20), kill: kill, idsFlushed: idsFlushed,
            loadEnqueued: DemoSettings.loadJobs, load: load, seconds: narrator.seconds)
    }
}
