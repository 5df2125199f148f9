import Foundation
import HTTPClient
import JobQueue
import Postgres
import Redis
import TestSupport
import Testing

extension SystemTests {
    /// Start here. A job's life in seven steps, and then what all of it is for: a spot warning. Everything is real: the
    /// program's own processes, PostgreSQL, Redis, AWS's and Kubernetes' protocols. Only the world behind them is simulated.
    @Suite("The story", .fleet(clusters: ["blue"], nodes: 6, pods: 40, environment: ["SQS_POLL_INTERVAL_SECONDS": "2"]))
    struct TheStoryTests {
        @Test("A job's life in seven steps, from a jobspec to the row that says done")
        func lifeOfAJob() async throws {
            let fleet = try Fleet.current

            // 1. A spec says when. Operators write YAML; `migrate` (and every scheduler) publishes it as rows.
            let specs = try jobspecs(of: fleet, noop: "schedule: {every: 1h, missed: latest, overlap: skip}")
            try await fleet.succeed(["migrate"], environment: ["JOBSPECS_DIR": specs])
            let schedule = try #require(try await fleet.rows("SELECT id, kind FROM schedule WHERE kind = 'noop'").first)
            #expect(try schedule.string(0) == "noop")

            // 2. It is due: the scheduler writes a row, once per slot.
            let scheduler = try fleet.start(["scheduler"], environment: ["JOBSPECS_DIR": specs])
            let id = try await eventually("the scheduler enqueues the slot's job") {
                try await fleet.text("SELECT id FROM job WHERE kind = 'noop'")
            }
            #expect(try await fleet.state(of: id) == "queued")

            // 3. Its id goes into a Redis list. The list holds ids and nothing else; the row is the truth.
            let list = ReadyList(queue: "default", lane: .work)
            let broker = try fleet.broker()
            try await eventually("its id is in Redis") { try await broker.lengths(of: [list]) == [1] }

            // 4. A worker takes the id and claims the row: fence 1, a lease, a deadline.
            let worker = try fleet.start(["worker"], environment: ["JOBSPECS_DIR": specs, "LOG_LEVEL": "debug"])
            let running = try await eventually("a worker claims it") {
                try await fleet.rows(
                    """
                    SELECT j.fence, j.attempt, w.state, j.deadline_at > now()
                      FROM job j JOIN worker_health w ON w.id = j.worker_id WHERE j.id = $1::uuid AND j.state = 1
                    """, [.text(id)]
                ).first
            }
            #expect(try running.int(0) == 1)
            #expect(try running.int(1) == 1)
            #expect(try running.string(2) == "live")
            #expect(try running.bool(3))
            // A worker that found the row by its own look takes the id a moment later, and drops it.
            try await eventually("no id is left in Redis") { try await broker.lengths(of: [list]) == [0] }

            // 5. Rounds: observe, decide. A decision with actions is stored in the row before anything is done. (This job's
            //    second round comes after the wait that its parameters ask for; a wait holds no slot.)
            try await eventually("its first round begins") { worker.errors.contains("job run starts, step 5 of 7") }

            // 6. Its actions would be carried out now, each an entry in the effect ledger. A noop has none; the drain in the
            //    next story has many.
            #expect(try await fleet.number("SELECT count(*) FROM effect WHERE job_id = $1::uuid", [.text(id)]) == 0)

            // 7. The outcome is settled in one transaction: the row moves to the history and says done.
            try await eventually("the row says done") { try await fleet.state(of: id) == "done" }
            #expect(try await fleet.number("SELECT count(*) FROM job WHERE id = $1::uuid", [.text(id)]) == 0)
            #expect(worker.errors.contains("job run ended, step 7 of 7"))
            let told: Explanation = try await fleet.succeed(["jobs", "explain", id, "--output", "json"]).json()
            #expect(told.story.first == "noop \(id): done")
            #expect(told.reasons == [])

            for role in [worker, scheduler] {
                role.terminate()
                #expect(try await role.answer(within: .seconds(30)).status == 0)
            }
        }

        @Test(
            "A spot warning cordons its node within ten seconds, drains it before its deadline and brings one replacement"
        )
        func spotWarning() async throws {
            let fleet = try Fleet.current
            let world = try fleet.world
            let cluster = fleet.cluster("blue")
            let added = try await fleet.add("blue", tenant: "acme")
            #expect(added.output.contains("mode apply: decisions are carried out"), "\(added)")
            let roles = try await fleet.startRoles(workers: 2)
            try await fleet.awaitIndex("blue", nodes: 6)

            // AWS says: this instance ends in two minutes.
            let warned = try #require(try await world.interrupt(cluster).first)

            // The node is cordoned, so that nothing new is placed on it ...
            let cordon = try await eventually("the node is cordoned", within: .seconds(20)) {
                try await world.state().node(warned.instanceID)?.secondsToCordon
            }
            #expect(cordon < 10)

            // ... its pods are evicted one by one, as budgets allow ...
            let drain = try await eventually("the node is empty", within: .seconds(110)) {
                try await world.state().node(warned.instanceID)?.secondsToDrain
            }
            #expect(drain < 120)

            // ... and meanwhile a replacement was asked for, once, and has joined.
            let joined = try await eventually("a replacement joins") {
                try await world.state().nodes(of: cluster).first { $0.clientToken != nil }
            }

            // The two minutes are over: the instance ends, and what is left of the node is tidied up.
            try await fleet.succeed(["simulate", "clock", "advance", "125"])
            try await eventually("the interruption is closed") {
                try await fleet.number(
                    "SELECT count(*) FROM interruption_status WHERE instance_id = $1 AND closed_at IS NOT NULL",
                    [.text(warned.instanceID)]) == 1
            }

            // What the world itself says of it.
            let state = try await world.state()
            let node = try #require(state.node(warned.instanceID))
            #expect(node.cordonedBy?.contains("act") == true)
            #expect(node.podsAtInterruption > 0)
            #expect(state.nodes(of: cluster).filter { $0.clientToken != nil }.map(\.instanceID) == [joined.instanceID])
            #expect(state.pdbViolations.isEmpty)
            #expect(state.abruptPodDeaths == 0)

            // And what the ledger says: every job of it is done, every effect has an answer, none is in doubt.
            try await eventually("its jobs are done") {
                try await fleet.number(
                    "SELECT count(*) FROM job_status WHERE kind IN ('drain-node', 'replace-node') AND state <> 'done'")
                    == 0
            }
            #expect(try await fleet.number("SELECT count(*) FROM job_dead") == 0)
            let told = try #require(
                try await fleet.rows(
                    "SELECT progress ->> 'done', progress ->> 'total' FROM job_status WHERE kind = 'drain-node'"
                ).first)
            #expect(told.text(0) == told.text(1) && told.text(0) != "0", "it told how far it was, to its end")
            #expect(try await fleet.number("SELECT count(*) FROM effect_log WHERE state = 'intended'") == 0)
            #expect(try await fleet.number("SELECT count(*) FROM effect_log WHERE key LIKE 'cordon/%'") == 1)
            // A budget that held a pod back leaves nothing in doubt: no alert of lost answers.
            for worker in roles.dropFirst() {
                let port = try await Fleet.port(of: worker)
                let metrics = try await HTTPTransport(connectionsMax: 1)
                    .send(HTTPRequest(url: "http://127.0.0.1:\(port)/metrics"))
                let text = String(decoding: metrics.body, as: UTF8.self)
                #expect(
                    !text.split(separator: "\n").contains { $0.contains("effects_total") && $0.contains("\"unknown\"") }
                )
            }
            let listed: [[String: JSONValue]] = try await fleet.succeed(["interruptions", "-o", "json"]).json()
            #expect(listed.map { $0["state"] } == [.string("over")])
            #expect(listed.first?["replacement"] == .string(joined.instanceID))
            #expect(
                try await fleet.text(
                    "SELECT replacement FROM interruption WHERE instance_id = $1", [.text(warned.instanceID)])
                    == joined.instanceID)
        }

        /// The jobspecs of the project with another `noop`: one that waits a moment, so that it can be watched.
        private func jobspecs(of fleet: Fleet, noop schedule: String) throws -> String {
            let folder = "\(fleet.directory)/jobspecs"
            try FileManager.default.copyItem(atPath: "\(Fleet.root)/jobspecs", toPath: folder)
            let spec = """
                kind: noop
                version: 2
                summary: Does nothing, for a story.
                lane: work
                \(schedule)
                parameters:
                  wait_milliseconds: {type: integer, default: 1500, summary: Waits this long before it ends.}
                  fail: {type: string, summary: Fails with this message.}
                timeout: 60s
                mode_max: apply
                external: true

                """
            try spec.write(toFile: "\(folder)/noop.yaml", atomically: true, encoding: .utf8)
            return folder
        }
    }
}
