import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing

/// How much of it: small always, large on request (HEAVY_TESTS=1).
struct Load: Sendable, CustomTestStringConvertible {
    var interruptions: Int
    var jobs: Int
    var events: Int
    /// Until every job of lane 0 has done its part.
    var limit: Duration
    /// What is still under way in the table `interruption`: many jobs that wait for their instance's end are a load too.
    var underWay: String

    static let small = Load(
        interruptions: 20, jobs: 5_000, events: 500, limit: .seconds(60),
        underWay: "drained_at IS NULL")
    static let heavy = Load(
        interruptions: 100, jobs: 100_000, events: 15_000, limit: .seconds(300),
        underWay: "closed_at IS NULL")
    static var isHeavyWanted: Bool { ProcessInfo.processInfo.environment["HEAVY_TESTS"] == "1" }

    var testDescription: String { "\(interruptions) warnings over \(jobs) jobs, \(events) events" }
}

extension SystemTests {
    @Suite("Load, small", .fleet(clusters: ["idle", "busy"], nodes: 40, pods: 12))
    struct SmallLoadTests {
        @Test(
            "20 interruptions at once over 5,000 queued jobs: each node cordoned within 10 s, p99 at most twice that of an empty queue"
        )
        func interruptions() async throws { try await LoadTest(load: .small).interruptions() }

        @Test("500 mixed events in the queue: all accounted for, events per second printed")
        func events() async throws { try await LoadTest(load: .small).events() }
    }

    @Suite(
        "Load, heavy (HEAVY_TESTS=1)", .enabled(if: Load.isHeavyWanted),
        .fleet(clusters: ["idle", "busy"], nodes: 130, pods: 130))
    struct HeavyLoadTests {
        @Test(
            "100 interruptions at once over 100,000 queued jobs of lane 3: each node cordoned within 10 s, p99 at most twice that of an empty queue"
        )
        func interruptions() async throws { try await LoadTest(load: .heavy).interruptions() }

        @Test("15,000 mixed events in the queue: all accounted for, events per second printed")
        func events() async throws { try await LoadTest(load: .heavy).events() }
    }
}

struct LoadTest {
    let load: Load

    func interruptions() async throws {
        let fleet = try Fleet.current
        try await start(fleet)
        let empty = try await measure(fleet, "idle")
        // The first wave is over before the second begins: only the queue differs.
        try await eventually("the first wave is drained", within: .seconds(300)) {
            try await fleet.number("SELECT count(*) FROM interruption WHERE \(load.underWay)") == 0
        }

        // Jobs of lane 3 that outlast the measurement: each waits a while once a worker has taken it.
        let parameters = "{\"wait_milliseconds\":20000}"
        try await fleet.succeed(["enqueue", "noop", "--count", "\(load.jobs)", "--parameters", parameters])
        try await eventually("the workers are full of them") {
            try await fleet.number("SELECT count(*) FROM job WHERE lane = 3 AND state = 1") > 50
        }
        let full = try await measure(fleet, "busy")
        let left = try await fleet.number("SELECT count(*) FROM job WHERE lane = 3 AND state = 0")
        #expect(left > load.jobs / 2, "the queue was to be full all the while")
        print("p99 of \(load.jobs) queued jobs to p99 of none: \(full.p99 / empty.p99)")
        #expect(empty.worst < 10)
        #expect(full.worst < 10)
        #expect(full.p99 <= 2 * empty.p99)
        // Past its force point (the deadline less its grace) a pod is deleted whatever its budget says; no sooner.
        let violations = try await fleet.world.state().pdbViolations
        let deadlines = try await fleet.rows("SELECT min(deadline) FROM interruption")
        let first = try #require(try deadlines.first?.dateIfPresent(0))
        #expect(
            violations.allSatisfy {
                $0.verb == "delete" && (WorldState.date($0.at) ?? .distantPast) > first.addingTimeInterval(-60)
            }, "\(violations)")
        try await forgetJobs(fleet)
    }

    /// Seconds from warning to cordon.
    private struct Times {
        var p50: Double
        var p99: Double
        var worst: Double
    }

    private func measure(_ fleet: Fleet, _ short: String) async throws -> Times {
        let warned = try await fleet.world.interrupt(fleet.cluster(short), count: load.interruptions)
        try #require(warned.count == load.interruptions)
        let ids = Set(warned.map(\.instanceID))
        let times = try await eventually("every node is cordoned", within: load.limit) {
            let nodes = try await fleet.world.state(fleet.cluster(short)).nodes.filter { ids.contains($0.instanceID) }
            let times = nodes.compactMap(\.secondsToCordon).sorted()
            return times.count == load.interruptions ? times : nil
        }
        func percentile(_ part: Double) -> Double {
            times[min(times.count - 1, Int((part * Double(times.count)).rounded(.up)) - 1)]
        }
        let found = Times(p50: percentile(0.5), p99: percentile(0.99), worst: times[times.count - 1])
        print("\(short): warning to cordon of \(load.interruptions) at once, seconds: \(found)")
        return found
    }

    func events() async throws {
        let fleet = try Fleet.current
        try await start(fleet)
        let world = try fleet.world
        let queue = try world.cluster(fleet.cluster("idle")).queueURL
        let before = try await counts(fleet)
        // A fifth each: of no cluster, of another account, asking nothing, and not readable; some of ours, some doubled.
        let known = try await world.state(fleet.cluster("idle")).nodes.filter { $0.terminatedAt == nil }.suffix(5)
        var bodies: [String] = []
        var expected = ["unknown-instance": 0, "foreign": 0, "noted": 0, "accepted": 0, "dead-letter": 0]
        for (index, node) in known.enumerated() where index < load.events {
            bodies.append(Event.spotWarning(node.instanceID))
            expected["accepted", default: 0] += 1
        }
        while bodies.count < load.events {
            let stranger = Event.strangerID(bodies.count)
            switch bodies.count % 4 {
            case 0:
                bodies.append(Event.spotWarning(stranger))
                expected["unknown-instance", default: 0] += 1
            case 1:
                bodies.append(Event.spotWarning(stranger, account: "999999999999"))
                expected["foreign", default: 0] += 1
            case 2:
                bodies.append(Event.stateChange(stranger, state: "running"))
                expected["noted", default: 0] += 1
            default:
                bodies.append("{\"this is\": \"no event, number \(bodies.count)\"}")
                expected["dead-letter", default: 0] += 1
            }
        }
        // Every tenth comes twice, as SQS may do it; a body without an event id is a message of its own each time.
        let doubled = bodies.enumerated().filter { $0.offset % 10 == 0 && $0.offset % 4 != 3 }.map(\.element)
        // Sending takes longer than reading: nobody polls until all of it is there.
        try await setPolling(fleet, false)
        try await eventually("the last poll is over") {
            try await fleet.number("SELECT count(*) FROM job WHERE kind = 'poll-sqs'") == 0
        }
        try await world.send(bodies.shuffled() + doubled, to: queue)
        try await setPolling(fleet, true)
        let start = ContinuousClock.now
        let after = try await eventually("every event is accounted for", within: load.limit) {
            let found = try await counts(fleet).merging(before) { $0 - $1 }
            return found.values.reduce(0, +) >= load.events ? found : nil
        }
        let took = ContinuousClock.now - start
        let seconds = Double(took.components.seconds) + Double(took.components.attoseconds) / 1e18
        print(
            "\(load.events + doubled.count) messages, \(load.events) events in \(seconds) s: "
                + "\(Double(load.events) / seconds) events per second; \(after.sorted { $0.key < $1.key })")
        #expect(after.filter { $0.value != 0 } == expected.filter { $0.value != 0 })
        #expect(try await fleet.number("SELECT count(*) FROM job_dead") == 0)
    }

    private func counts(_ fleet: Fleet) async throws -> [String: Int] {
        let rows = try await fleet.rows(
            """
            SELECT outcome, count(*) FROM event GROUP BY outcome
            UNION ALL SELECT 'dead-letter', count(*) FROM event_dead_letter
            """)
        return Dictionary(uniqueKeysWithValues: try rows.map { (try $0.string(0), Int(try $0.int(1))) })
    }

    // MARK: Parts

    /// Two clusters of one tenant, each with its own queue; a scheduler and two workers; `noop` in lane 3.
    private func start(_ fleet: Fleet) async throws {
        guard try await fleet.number("SELECT count(*) FROM cluster") == 0 else { return }
        let folder = "\(fleet.directory)/jobspecs"
        try FileManager.default.copyItem(atPath: "\(Fleet.root)/jobspecs", toPath: folder)
        let spec = try String(contentsOfFile: "\(folder)/noop.yaml", encoding: .utf8)
            .replacing(/lane: .*/, with: "lane: data").replacing(/version: .*/, with: "version: 99")
        try spec.write(toFile: "\(folder)/noop.yaml", atomically: true, encoding: .utf8)
        let environment = ["JOBSPECS_DIR": folder]
        try await fleet.succeed(["migrate"], environment: environment)
        for short in ["idle", "busy"] {
            // With its subnets named, as for any large cluster: a launch then asks EC2 about its own instance only.
            let subnets = try fleet.world.cluster(fleet.cluster(short)).subnets.flatMap { ["--subnet", "\($0)=\($1)"] }
            let answer = try await fleet.add(short, tenant: "acme", more: subnets)
            try #require(answer.status == 0, "\(answer)")
        }
        let roles = try [["scheduler"], ["worker"], ["worker"]].map { try fleet.start($0, environment: environment) }
        for role in roles { _ = try await Fleet.port(of: role) }
        let nodes = try await fleet.world.state().nodes.count / 2
        for short in ["idle", "busy"] { try await fleet.awaitIndex(short, nodes: nodes) }
    }

    private func setPolling(_ fleet: Fleet, _ isOn: Bool) async throws {
        _ = try await fleet.rows(
            "UPDATE schedule SET enabled = $1 WHERE kind = 'poll-sqs' RETURNING id", [.bool(isOn)])
    }

    /// What is left of the load goes, so that the next test begins with an empty queue.
    private func forgetJobs(_ fleet: Fleet) async throws {
        _ = try await fleet.rows(
            """
            WITH gone AS (DELETE FROM job WHERE kind = 'noop' AND state = 0 RETURNING id)
            SELECT count(*) FROM gone
            """)
    }
}
