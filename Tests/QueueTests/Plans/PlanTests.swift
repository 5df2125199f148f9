import Foundation
import JobQueue
import Testing

@testable import Postgres

/// The plans of the hot statements with 200,000 rows that were churned and never vacuumed: when the statistics say that
/// almost nothing runs, a partial index looks tiny, and is full of dead entries.
@Suite("Plans under churn", .serialized)
struct PlanTests {
    static let rows = 200_000

    /// What the churn left behind.
    struct Churned {
        let connection: PostgresConnection
        let worker: WorkerID
        /// Due and queued.
        let queued: [JobID]
        /// Running, with fence 1.
        let running: [JobID]
    }

    /// How PostgreSQL plans a prepared statement: for its values, or once for all of them.
    enum Mode: String, CaseIterable {
        case custom = "force_custom_plan"
        case generic = "force_generic_plan"
    }

    private func churned(_ body: (Churned) async throws -> Void) async throws {
        try await withSchema { connection, _ in
            try await connection.script(
                """
                ALTER TABLE job SET (autovacuum_enabled = false);
                INSERT INTO job (id, queue, kind, tenant, target, lane, timeout_seconds, max_attempts, args, run_at)
                SELECT uuid_v7(), 'default', 'plain', 'tenant' || n % 20, '', 2, 60, 3, '{}', now() - interval '1 hour'
                  FROM generate_series(1, \(Self.rows)) AS n;
                ANALYZE job
                """)
            let worker = WorkerID()
            try await connection.register(
                WorkerRegistration(
                    id: worker, host: "test", queues: ["default"], kinds: ["plain"], slots: 1000, inFlightMax: 1000,
                    version: "1"), lease: .seconds(600))
            let all = try await connection.query("SELECT id FROM job ORDER BY id").map { try $0.uuid(0) }
            var next = 0
            for _ in 0..<30 {
                let batch = Array(all[next..<next + 1000])
                next += 1000
                let claimed = try await connection.claim(batch, worker, ["plain"], false)
                let settlements = claimed.map {
                    Settlement(run: RunID(job: $0.id, fence: $0.fence, worker: worker), verdict: .finished)
                }
                _ = try await connection.settle(settlements, RecordWriters())
            }
            try await connection.script("ANALYZE job")  // now: 170,000 queued, none running, dead entries everywhere
            let running = Array(all[next..<next + 500])
            let claimed = try await connection.claim(running, worker, ["plain"], false)
            #expect(claimed.count == 500)
            try await body(
                Churned(
                    connection: connection, worker: worker, queued: Array(all[(next + 500)..<(next + 1000)]),
                    running: running))
        }
    }

    /// The plan of a statement, prepared with the types that the driver sends.
    private func explain(
        _ sql: String, _ values: [PostgresValue], _ mode: Mode, on connection: PostgresConnection
    ) async throws -> ExplainedPlan {
        try await connection.script("SET plan_cache_mode = \(mode.rawValue)")
        let rows: [PostgresRow]
        switch mode {
        case .custom: rows = try await connection.query("EXPLAIN (FORMAT JSON) \(sql)", values)
        case .generic:
            // A plan for all values is the same whatever is given.
            func list(_ items: [String]) -> String { items.isEmpty ? "" : "(\(items.joined(separator: ", ")))" }
            let types = list(values.map { Self.typeNames[$0.typeID] ?? "unknown" })
            let nulls = list(values.map { _ in "NULL" })
            try await connection.script("PREPARE explained \(types) AS \(sql)")
            rows = try await connection.query("EXPLAIN (FORMAT JSON) EXECUTE explained \(nulls)")
            try await connection.script("DEALLOCATE explained")
        }
        return try ExplainedPlan(try #require(rows.first).json(0))
    }

    private static let typeNames: [UInt32: String] = [
        TypeID.uuid: "uuid", TypeID.int8: "bigint", TypeID.bool: "boolean", TypeID.uuidArray: "uuid[]",
        TypeID.textArray: "text[]", TypeID.int8Array: "bigint[]", TypeID.float8Array: "float8[]",
        TypeID.boolArray: "boolean[]", TypeID.jsonbArray: "jsonb[]",
    ]

    @Test("claim, finish, conclude, intend and reap reach jobs by primary key; ready reads job_due and no backlog")
    func plans() async throws {
        try await churned { scene in
            let count = scene.running.count
            let fences = PostgresValue.intArray(scene.running.map { _ in 1 })
            let nothing = PostgresValue.jsonArray(scene.running.map { _ in nil })
            let byKey: [(name: String, sql: String, values: [PostgresValue])] = [
                (
                    "claim", ClaimStatements.claim,
                    [.uuidArray(scene.queued), .uuid(scene.worker), .textArray(["plain"]), .bool(false), .bool(false)]
                ),
                (
                    "finish", SettleStatements.finish,
                    [
                        .uuidArray(scene.running), fences, nothing, .boolArray(Array(repeating: true, count: count)),
                        .uuid(scene.worker),
                    ]
                ),
                (
                    "conclude", SettleStatements.conclude,
                    [
                        .uuidArray(scene.running), fences, .textArray(Array(repeating: "retry", count: count)),
                        .doubleArray(Array(repeating: 1, count: count)), nothing,
                        .textArray(Array(repeating: nil, count: count)), .uuid(scene.worker),
                    ]
                ),
                (
                    "claimPlain", ClaimStatements.claimPlain,
                    [.uuidArray(scene.queued), .uuid(scene.worker), .textArray(["plain"])]
                ),
                ("act", ReapStatements.act, [.uuidArray([scene.worker]), .uuidArray(scene.running)]),
                (
                    "intend", EffectStatements.intend,
                    [
                        .textArray(scene.running.map(\.description)), .uuidArray(scene.running), fences,
                        .textArray(Array(repeating: "s", count: count)),
                        .textArray(Array(repeating: "A", count: count)),
                        .textArray(Array(repeating: "", count: count)),
                        .jsonArray(Array(repeating: JSONText(text: "{}"), count: count)), .uuid(scene.worker),
                    ]
                ),
            ]
            for mode in Mode.allCases {
                for each in byKey {
                    let plan = try await explain(each.sql, each.values, mode, on: scene.connection)
                    let accesses = plan.accesses(to: "job")
                    #expect(
                        !accesses.isEmpty && accesses.isSubset(of: Self.byPrimaryKey),
                        "\(each.name), \(mode): \(accesses.sorted())")
                }
                for cursor in ["", "tenant15"] {
                    let plan = try await explain(
                        FeedStatements.ready,
                        [
                            .text("default"), .int(2), .text(cursor), .bool(cursor.isEmpty), .int(256), .int(256),
                            .textArray([]), .intArray([]), .uuidArray([]), .null, .double(600),
                        ], mode, on: scene.connection)
                    let name = "ready after '\(cursor)', \(mode)"
                    #expect(
                        plan.accesses(to: "job").isSubset(of: Self.byDueIndex), "\(name): \(plan.accesses(to: "job"))")
                    #expect(plan.unbounded("Sort", over: "job").isEmpty, "\(name) sorts the backlog")
                    #expect(plan.unbounded("Aggregate", over: "job").isEmpty, "\(name) counts the backlog")
                    // Every scan begins at its own place in the index: no tenant before it is read and dropped.
                    for node in plan.root.all where node.relation == "job" {
                        #expect(node.condition.contains("tenant"), "\(name): \(node.condition)")
                        #expect(!node.condition.contains(#/\| .*tenant/#), "\(name) filters tenants: \(node.condition)")
                    }
                }
                let lists = try await explain(FeedStatements.readyLists, [], mode, on: scene.connection)
                #expect(lists.accesses(to: "job").isSubset(of: Self.byDueIndex))
                #expect(lists.unbounded("Sort", over: "job").isEmpty, "readyLists sorts the backlog")
            }
            // The trap itself: written with a literal state, the same join goes through a partial index.
            let literal = SettleStatements.conclude.replacing("(j.state + 0) = 1", with: "j.state = 1")
            let trapped = try await explain(literal, byKey[2].values, .custom, on: scene.connection)
            #expect(!trapped.accesses(to: "job").isSubset(of: Self.byPrimaryKey), "this test can no longer fail")
            try await scan(scene)
        }
    }

    private static let byPrimaryKey: Set = [
        "Index Scan job_pkey", "Index Only Scan job_pkey", "Bitmap Index Scan job_pkey",
    ]
    private static let byDueIndex: Set = ["Index Scan job_due", "Index Only Scan job_due"]

    /// What the plans promise: a look at the backlog reads a few hundred pages, wherever it begins.
    private func scan(_ scene: Churned) async throws {
        for mode in Mode.allCases {
            try await scene.connection.script("SET plan_cache_mode = \(mode.rawValue)")
            let feed = try await scene.connection.ready(
                ReadyList(queue: "default", lane: .work), 512, FeedCursor(tenant: "tenant15", positions: [:]))
            #expect(feed.ids.count == 512)
            let claimed = try await scene.connection.claim(feed.ids, scene.worker, ["plain"], false)
            #expect(claimed.count == 512)
        }
    }

    @Test("sessions compile no plans, and end a transaction whose process stands still")
    func sessionSettings() async throws {
        try await withSchema { connection, _ in
            for (name, wanted) in [("jit", "off"), ("idle_in_transaction_session_timeout", "15s")] {
                let row = try #require(try await connection.query("SHOW \(name)").first)
                #expect(row.text(0) == wanted, "\(name)")
            }
        }
    }
}
