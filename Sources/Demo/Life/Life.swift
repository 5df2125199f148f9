import Foundation

/// The second part: most of a year of a staging cluster, on the simulated clock, jumping from one moment worth a look to
/// the next. Every scene looks at the world from outside, and says what it found as a check of the verdict.
struct Life: Sendable {
    let stage: Stage
    let props: Stage.Props
    let narrator: Narrator
    let world: FarSide
    /// Of the cluster's people.
    let zone: TimeZone

    /// How long something that was begun may take, in seconds of the clock on the wall: a machine may be busy.
    static let patience = 120.0
    /// How often the world is looked at meanwhile.
    private static let lookEvery = Duration.milliseconds(200)

    init(_ stage: Stage, _ props: Stage.Props, _ narrator: Narrator) throws {
        self.stage = stage
        self.props = props
        self.narrator = narrator
        world = try FarSide(folder: stage.settings.simulator, cluster: DemoSettings.lifeCluster)
        guard let zone = TimeZone(identifier: DemoSettings.lifeTimeZone) else {
            throw DemoError("this machine knows no time zone \(DemoSettings.lifeTimeZone)")
        }
        self.zone = zone
    }

    /// Plays all scenes.
    func play() async throws -> [Judge.Check] {
        narrator.heading(
            "Part two. A year of cluster '\(DemoSettings.lifeCluster)' (staging, \(DemoSettings.lifeTimeZone)), in "
                + "minutes: the simulated clock jumps")
        try await stage.register(
            world.cluster, more: ["--environment", "staging", "--time-zone", DemoSettings.lifeTimeZone],
            props.environment)
        let begin = try await now()
        var checks: [Judge.Check] = []
        var volume = try await forgetVolume()
        var ghost = try await launchGhost()
        try await jump(hours: 2, because: "two hours later: the ghost is too old to be joining still")
        _ = try await looked("ghost-scan", account, after: try await now())
        try await watch(&ghost)
        checks.append(try await memoryLoop())
        let packing = try await packing()
        checks.append(packing.check)
        let nodes = Set(try await world.state().nodes.filter { $0.terminatedAt == nil }.map(\.instanceID))
        var sizes = try await dayOfSamples(&ghost)
        try await close(&ghost, nodes: nodes)
        checks.append(ghost.check)
        try await rightsizing(&sizes)
        checks.append(sizes.check)
        try await followVolume(&volume)
        checks.append(volume.check)
        // A saving counts for thirty days: measured once in between, and once when they are over.
        try await jump(hours: 26, because: "a whole day later, the savings so far are measured")
        try await measure(days: 14)
        try await jump(hours: 30 * 24, because: "thirty days later, they are measured to their end")
        try await measure(days: 30)
        checks += try await nightsInWhichClocksChange().map(\.check)
        checks.append(
            try await statement(
                since: begin,
                outside: [
                    "packing": packing.pricePerHour * Statement.horizonHours,
                    "volumes": VolumeStory.dollarsPerHour * Statement.horizonHours,
                    "ghosts": (try await world.onDemandPrice(type: GhostStory.type) ?? 0) * Statement.horizonHours,
                ]))
        let broken = try await world.state().pdbViolations
        checks.append(
            Judge.Check(
                name: "no disruption budget broken in all that time", ok: broken.isEmpty,
                detail: broken.isEmpty
                    ? "the simulator saw none" : broken.map { "\($0.budget) by \($0.verb) of \($0.pod)" }.joined()))
        return checks
    }

    // MARK: The clock

    /// World time.
    func now() async throws -> Date {
        struct Answer: Decodable { var time: Date }
        let answer: Answer = try await world.control("POST", "clock/advance", "{\"seconds\":0}")
        return answer.time
    }

    /// Moves the world's clock to an instant, and says so.
    /// - Throws: when the clock is past it.
    func jump(to instant: Date, because reason: String) async throws {
        let seconds = instant.timeIntervalSince(try await now())
        guard seconds > 0 else {
            throw DemoError("the clock is \(Int(-seconds)) s past \(Narrator.clock(instant, zone)): \(reason)")
        }
        try await move(to: instant)
        narrator.say(at: instant, zone, .clock, reason)
    }

    /// Moves the world's clock without a word.
    func move(to instant: Date) async throws {
        let seconds = max(0, instant.timeIntervalSince(try await now()))
        try await stage.cloudoptim(
            ["simulate", "clock", "advance", String(format: "%.3f", seconds)], props.environment)
    }

    /// Moves the world's clock.
    func jump(hours: Double, because reason: String) async throws {
        try await jump(to: try await now().addingTimeInterval(hours * 3600), because: reason)
    }

    /// Says something with the time it is in the world.
    func say(_ topic: Narrator.Topic, _ text: String, at time: Date? = nil) async throws {
        let moment: Date
        if let time { moment = time } else { moment = try await now() }
        narrator.say(at: moment, zone, topic, text)
    }

    // MARK: Waiting

    /// Looks until it is so.
    /// - Parameter isTold: whether it is told when it did not become so in its time.
    /// - Returns: whether it became so.
    func until(
        _ what: String, seconds: Double = Life.patience, isTold: Bool = true, _ isSo: () async throws -> Bool
    ) async throws -> Bool {
        let limit = ContinuousClock.now + .seconds(seconds)
        while true {
            try await stage.stumble()
            if try await isSo() { return true }
            guard ContinuousClock.now < limit else {
                if isTold { narrator.say(.crash, "not within \(Int(seconds)) s: \(what)") }
                return false
            }
            try await Task.sleep(for: Self.lookEvery)
        }
    }

    // MARK: CloudOptim

    /// Runs `cloudoptim` to its end.
    @discardableResult
    func cloudoptim(_ arguments: String...) async throws -> String {
        try await stage.cloudoptim(arguments, props.environment)
    }

    /// Where the account's schedules look.
    var account: String { "account/\(DemoSettings.tenant)/\(world.cluster.account)/\(world.cluster.region)" }

    /// Lets a schedule fire now, as an operator would, and waits for the end of its job.
    func trigger(_ kind: String, _ target: String = DemoSettings.lifeCluster) async throws {
        struct Line: Decodable {
            var job: String
            var result: String
        }
        for _ in 0..<5 {
            let text = try await cloudoptim("schedules", "trigger", "\(kind)/\(target)", "--output", "json")
            guard let start = text.firstIndex(of: "["),
                let line = try JSONDecoder().decode([Line].self, from: Data(text[start...].utf8)).first
            else { throw DemoError("schedules trigger \(kind)/\(target) answered: \(text)") }
            let isOver = try await until("\(kind) ends") { try await !props.ledger.isOpen(line.job) }
            // A look that was under way already may have looked too early.
            if line.result == "enqueued" || !isOver { return }
        }
    }

    /// Waits until a schedule has fired after a jump, and its job has ended.
    func looked(_ kind: String, _ target: String = DemoSettings.lifeCluster, after: Date) async throws -> Bool {
        try await until("the schedule of \(kind) looks") {
            guard let found = try await props.ledger.schedule(kind, target) else { return false }
            return found.nextSlot > after && !found.isOpen
        }
    }

    static func dollars(_ value: Double) -> String { "$" + String(format: "%.2f", value) }
}
