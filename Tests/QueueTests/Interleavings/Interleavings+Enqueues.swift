import JobQueue
import TestSupport
import Testing

@testable import Postgres

extension Interleavings {
    @Suite("enqueues")
    struct Enqueues {
        private func job(_ target: String = "t", n: Int = 1, spec: JobSpec = LedgerScene.once) throws -> ResolvedJob {
            let parameters = spec.parameters.isEmpty ? "{}" : #"{"n":\#(n)}"#
            let key = spec.key == nil ? IdempotencyKey("key/\(target)", release: .atEnd) : nil
            return try NewJob(
                request: JobRequest(spec.kind, parameters: JSONText(text: parameters), target: target, key: key),
                spec: spec
            ).resolved(tenant: "")
        }

        enum First: String, CaseIterable, CustomTestStringConvertible {
            case commits, rollsBack
            var testDescription: String { rawValue }
        }

        @Test("two enqueues of one key: the second waits for the first", arguments: First.allCases, [true, false])
        func sameKey(_ first: First, _ isSame: Bool) async throws {
            try await Interleaving.run { stage in
                let (one, two) = (
                    try job(n: 1, spec: LedgerScene.plain), try job(n: isSame ? 1 : 2, spec: LedgerScene.plain)
                )
                try await stage.other.begin()
                #expect(try await stage.other.enqueueOne(one) == .enqueued(one.id))
                let result = try await stage.whileHeld(stage.held) {
                    try await $0.enqueueOne(two)
                } meanwhile: {
                    if first == .commits { try await stage.other.commit() } else { await stage.other.rollback() }
                }
                switch first {
                case .rollsBack: #expect(result == .enqueued(two.id))
                case .commits: #expect(result == (isSame ? .duplicate(of: one.id) : .conflict(with: one.id)))
                }
                let count = try await stage.subject.connection.query("SELECT count(*) FROM job")
                #expect(try count.map { try $0.int(0) } == [1])
            }
        }

        @Test(
            "the same job sent again while its first enqueue is not committed is stored once", arguments: First.allCases
        )
        func sameID(_ first: First) async throws {
            try await Interleaving.run { stage in
                let one = try job()
                try await stage.other.begin()
                #expect(try await stage.other.enqueueOne(one) == .enqueued(one.id))
                let result = try await stage.whileHeld(stage.held) {
                    try await $0.enqueueOne(one)
                } meanwhile: {
                    if first == .commits { try await stage.other.commit() } else { await stage.other.rollback() }
                }
                #expect(result == .enqueued(one.id))
                #expect(try await stage.scene.facts(one.id).place == "queued")
            }
        }

        @Test("the same request sent again runs once: while it is hot, while it runs, and after it ended")
        func again() async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let request = NewJob(request: JobRequest("plain"), spec: LedgerScene.plain)
                for place in ["queued", "running", "done"] {
                    #expect(
                        try await scene.ledger.enqueue([request, request]) == [
                            .enqueued(request.id), .enqueued(request.id),
                        ])
                    if place == "running" { _ = try await scene.run(request.id, by: try await scene.worker()) }
                    if place == "done" {
                        let row = try #require(
                            try await stage.subject.connection.query("SELECT worker_id FROM job").first)
                        #expect(
                            try await scene.settle(RunID(job: request.id, fence: 1, worker: try row.uuid(0)), .finished)
                        )
                        #expect(try await scene.ledger.enqueue([request]) == [.enqueued(request.id)])
                    }
                    #expect(try await scene.facts(request.id).place == place)
                }
            }
        }

        @Test("a bad or taken key stops nobody else in the batch")
        func batch() async throws {
            try await Interleaving.run { stage in
                let (held, free, twice) = (try job("held"), try job("free"), try job("twice"))
                let (again, twin) = (try job("held"), try job("twice"))
                try await stage.other.begin()
                #expect(try await stage.other.enqueueOne(held) == .enqueued(held.id))
                let results = try await stage.whileHeld(stage.held) { connection in
                    try await connection.transaction {
                        try EnqueueStatements.enqueue([free, again, twice, twin], on: $0)
                    }
                } meanwhile: {
                    try await stage.other.commit()
                }
                #expect(
                    results == [
                        .enqueued(free.id), .duplicate(of: held.id), .enqueued(twice.id), .duplicate(of: twice.id),
                    ])
            }
        }

        @Test("two batches with the same keys in opposite order do not block each other for ever")
        func oppositeOrder() async throws {
            try await Interleaving.run { stage in
                let forth = try ["a", "b", "c"].map { try job($0) }
                let back = try ["c", "b", "a"].map { try job($0) }
                // Whoever has "a" waits for "b"; the other waits for "a", and must not have "c".
                let first = try job("b")
                try await stage.other.begin()
                #expect(try await stage.other.enqueueOne(first) == .enqueued(first.id))
                let pid = try await stage.processID(stage.slow)
                async let others = stage.slow.transaction { try EnqueueStatements.enqueue(back, on: $0) }
                let results = try await stage.whileHeld(stage.held) { connection in
                    try await connection.transaction { try EnqueueStatements.enqueue(forth, on: $0) }
                } meanwhile: {
                    try await eventually("the second batch waits for no lock") { try await stage.isWaiting(pid) }
                    await stage.other.rollback()
                }
                let stored = results + (try await others)
                #expect(stored.count { if case .enqueued = $0 { true } else { false } } == 3)
                #expect(stored.count { if case .duplicate = $0 { true } else { false } } == 3)
            }
        }

        private static let external = JobSpec(
            kind: "external", parameters: ["n": .init(type: .integer, defaultValue: JSONText(text: "1"))],
            external: true)
        private static let fromSQL = "SELECT enqueue('external', '{}', key => 'k')"

        @Test(
            "a request from SQL and one from a program with one key are one job, whoever comes first",
            arguments: First.allCases, [true, false])
        func programAndSQL(_ first: First, _ isSQLFirst: Bool) async throws {
            try await Interleaving.run { stage in
                _ = try await stage.ledger.publish([Self.external])
                let key = IdempotencyKey("k", release: .after(.seconds(86_400)))
                let job = try NewJob(request: JobRequest("external", key: key), spec: Self.external).resolved(
                    tenant: "")
                let bySQL: @Sendable (PostgresConnection) async throws -> JobID? = {
                    try await $0.query(Self.fromSQL).first?.uuid(0)
                }
                let byProgram: @Sendable (PostgresConnection) async throws -> JobID? = {
                    try await $0.enqueueOne(job).id
                }
                try await stage.other.begin()
                let one = try #require(try await (isSQLFirst ? bySQL : byProgram)(stage.other))
                let two = try await stage.whileHeld(stage.held, isSQLFirst ? byProgram : bySQL) {
                    if first == .commits { try await stage.other.commit() } else { await stage.other.rollback() }
                }
                #expect((two == one) == (first == .commits))
                #expect(try await stage.scene.facts(try #require(two)).place == "queued")
            }
        }

        @Test("a request from SQL whose key is freed between its two statements is told to try again")
        func freedKey() async throws {
            try await Interleaving.run { stage in
                _ = try await stage.ledger.publish([Self.external])
                _ = try await stage.held.query(Self.fromSQL)
                // After the statement that found the key taken, and before the one that reads whose it is.
                try await stage.held.script(
                    """
                    CREATE FUNCTION free_key() RETURNS trigger LANGUAGE plpgsql AS
                        $$ BEGIN DELETE FROM job_key; DELETE FROM job; RETURN NULL; END $$;
                    CREATE TRIGGER freed AFTER INSERT ON job_key FOR EACH STATEMENT EXECUTE FUNCTION free_key()
                    """)
                let error = try await queueError { _ = try await stage.held.query(Self.fromSQL) }
                #expect(error.code == .unavailable)
                #expect(error.postgres?.sqlState == "40001")
            }
        }
    }
}
