import JobQueue
import Testing

@testable import Postgres

/// The table guards itself: whatever a program does wrong, no row says the impossible.
@Suite("Constraints", .serialized)
struct ConstraintTests {
    /// A row that is accepted, and for each CHECK a change that is not.
    struct Table: Sendable, CustomTestStringConvertible {
        var name: String
        var row: [String: String]
        var refused: [(check: String, change: [String: String])]
        var testDescription: String { name }
    }

    private static let id = "'01890000-0000-7000-8000-000000000001'"

    static let tables: [Table] = [
        Table(
            name: "world_clock", row: ["is_simulated": "true", "shift": "'1 hour'"],
            refused: [
                ("world_clock_check", ["is_simulated": "false"]), ("world_clock_only_row_check", ["only_row": "false"]),
            ]),
        Table(
            name: "timetable_version", row: ["version": "7"],
            refused: [("timetable_version_only_row_check", ["only_row": "false"])]),
        Table(
            name: "job_kind", row: ["kind": "'drain-node'", "spec": "'{}'", "spec_version": "1"],
            refused: [
                ("job_kind_kind_check", ["kind": "'Drain'"]), ("job_kind_kind_check", ["kind": "''"]),
                ("job_kind_spec_version_check", ["spec_version": "0"]),
            ]),
        Table(
            name: "job_target", row: ["target": "'c1'", "fan_out": "'cluster'", "tenant": "'acme'"],
            refused: [
                ("job_target_target_check", ["target": "''"]),
                ("job_target_target_check", ["target": "repeat('x', 513)"]),
                ("job_target_fan_out_check", ["fan_out": "'none'"]),
            ]),
        Table(
            name: "job",
            row: [
                "id": id, "queue": "'q'", "kind": "'k'", "timeout_seconds": "1", "max_attempts": "1", "args": "'{}'",
                "state": "1", "worker_id": id, "deadline_at": "now()", "limit_key": "'l'", "limit_max": "1",
                "rate_key": "'r'", "rate_per_second": "0.5", "rate_burst": "1", "lane": "3",
                "tracestate": "repeat('x', 512)",
            ],
            refused: [
                ("job_check", ["worker_id": "NULL"]), ("job_check", ["state": "0", "deadline_at": "NULL"]),
                ("job_check1", ["deadline_at": "NULL"]), ("job_check1", ["state": "0", "worker_id": "NULL"]),
                ("job_check2", ["limit_max": "NULL"]), ("job_check2", ["limit_key": "NULL"]),
                ("job_check3", ["rate_key": "NULL"]), ("job_check3", ["rate_per_second": "NULL"]),
                ("job_check3", ["rate_burst": "NULL"]), ("job_lane_check", ["lane": "4"]),
                ("job_lane_check", ["lane": "-1"]),
                ("job_state_check", ["state": "2", "worker_id": "NULL", "deadline_at": "NULL"]),
                ("job_timeout_seconds_check", ["timeout_seconds": "0"]),
                ("job_max_attempts_check", ["max_attempts": "0"]), ("job_attempt_check", ["attempt": "-1"]),
                ("job_limit_max_check", ["limit_max": "0"]), ("job_rate_per_second_check", ["rate_per_second": "0"]),
                ("job_rate_burst_check", ["rate_burst": "0.9"]), ("job_args_check", ["args": "'[]'"]),
                ("job_args_size", ["args": "jsonb_build_object('a', repeat('x', 66000))"]),
                ("job_checkpoint_size", ["checkpoint": "to_jsonb(repeat('x', 1050000))"]),
                ("job_run_at_check", ["run_at": "'-infinity'"]), ("job_run_at_check", ["run_at": "'infinity'"]),
                ("job_tracestate_check", ["tracestate": "''"]),
                ("job_tracestate_check", ["tracestate": "E'a=1\\r\\nb=2'"]),
                ("job_tracestate_check", ["tracestate": "repeat('x', 513)"]),
            ]),
        Table(
            name: "job_history",
            row: [
                "id": id, "queue": "'q'", "kind": "'k'", "tenant": "''", "target": "''", "lane": "0", "fence": "1",
                "run_at": "now()", "attempt": "1", "crashes": "0", "interrupts": "0", "snoozes": "0", "args": "'{}'",
                "created_at": "now()", "outcome": "'done'",
            ],
            refused: [
                ("job_history_outcome_check", ["outcome": "'dead'"]),
                ("job_history_result_check", ["result": "to_jsonb(repeat('x', 263000))"]),
            ]),
        Table(
            name: "job_attempt", row: ["job_id": id, "attempt": "1", "fence": "1", "how": "'crash'"],
            refused: [("job_attempt_how_check", ["how": "'done'"])]),
        Table(
            name: "job_log", row: ["job_id": id, "fence": "1", "line": "repeat('x', 1000)"],
            refused: [("job_log_line_check", ["line": "repeat('x', 1001)"])]),
        Table(
            name: "worker",
            row: [
                "id": id, "host": "'h'", "queues": "'{}'", "kinds": "'{}'", "slots": "2", "in_flight_max": "2",
                "version": "'1'", "expires_at": "now()", "state": "2",
            ],
            refused: [
                ("worker_check", ["in_flight_max": "1"]), ("worker_slots_check", ["slots": "0"]),
                ("worker_state_check", ["state": "3"]),
            ]),
        Table(
            name: "job_key",
            row: ["key": "'k'", "job_id": id, "args_hash": "'x'", "release": "2", "expires_at": "now()"],
            refused: [
                ("job_key_check", ["expires_at": "NULL"]), ("job_key_check", ["release": "0"]),
                ("job_key_key_check", ["key": "''"]), ("job_key_key_check", ["key": "repeat('x', 513)"]),
                ("job_key_release_check", ["release": "1", "expires_at": "NULL"]),
            ]),
        Table(
            name: "job_slot", row: ["limit_key": "'l'", "n": "1", "job_id": id, "fence": "1"],
            refused: [("job_slot_n_check", ["n": "0"])]),
        Table(
            name: "effect",
            row: [
                "key": "'k'", "job_id": id, "fence": "1", "step": "'s'", "class": "'A'", "token": "repeat('0', 64)",
                "request": "'{}'", "state": "1", "completed_at": "now()",
            ],
            refused: [
                ("effect_check", ["completed_at": "NULL"]), ("effect_check", ["state": "0"]),
                ("effect_class_check", ["class": "'D'"]), ("effect_key_check", ["key": "''"]),
                ("effect_key_check", ["key": "repeat('x', 513)"]), ("effect_state_check", ["state": "3"]),
                ("effect_token_check", ["token": "repeat('0', 65)"]),
            ]),
        Table(
            name: "pause", row: ["scope": "'all'", "name": "''", "by": "'me'"],
            refused: [
                ("pause_scope_check", ["scope": "'region'"]), ("pause_reason_check", ["reason": "repeat('x', 501)"]),
            ]),
        Table(
            name: "job_limit",
            row: [
                "scope": "'queue'", "name": "'q'", "running_max": "1", "per_second": "0.5", "burst": "1",
                "depth_max": "1", "age_seconds": "1", "by": "'me'",
            ],
            refused: [
                ("job_limit_scope_check", ["scope": "'all'", "depth_max": "NULL", "age_seconds": "NULL"]),
                ("job_limit_name_check", ["name": "''"]), ("job_limit_running_max_check", ["running_max": "0"]),
                ("job_limit_per_second_check", ["per_second": "0"]), ("job_limit_burst_check", ["burst": "0.9"]),
                (
                    "job_limit_weight_check",
                    ["scope": "'tenant'", "depth_max": "NULL", "age_seconds": "NULL", "weight": "0"]
                ),
                ("job_limit_depth_max_check", ["depth_max": "0"]),
                ("job_limit_age_seconds_check", ["age_seconds": "0"]),
                ("job_limit_reason_check", ["reason": "repeat('x', 501)"]), ("job_limit_check", ["burst": "NULL"]),
                ("job_limit_check1", ["weight": "2"]), ("job_limit_check2", ["scope": "'kind'"]),
                ("job_limit_api_check", ["scope": "'api'", "depth_max": "NULL", "age_seconds": "NULL"]),
            ]),
        Table(
            name: "schema_release", row: ["release": "1"],
            refused: [
                ("schema_release_only_row_check", ["only_row": "false"]),
                ("schema_release_release_check", ["release": "0"]),
            ]),
        Table(
            name: "circuit", row: ["side": "'aws'", "target": "'c1'", "failures": "1", "last_error": "'x'"],
            refused: [
                ("circuit_side_check", ["side": "''"]), ("circuit_target_check", ["target": "''"]),
                ("circuit_failures_check", ["failures": "0"]),
            ]),
    ]

    private func insert(_ table: String, _ row: [String: String]) -> String {
        let columns = row.sorted { $0.key < $1.key }
        return "INSERT INTO \(table) (\(columns.map(\.key).joined(separator: ", "))) "
            + "VALUES (\(columns.map(\.value).joined(separator: ", ")))"
    }

    @Test("each CHECK refuses its opposite, and nothing else", arguments: tables)
    func checks(_ table: Table) async throws {
        try await withSchema { connection, _ in
            try await connection.script("DELETE FROM \(table.name)")
            for (check, change) in table.refused {
                let row = table.row.merging(change) { $1 }
                let error = try await queueError { try await connection.execute(insert(table.name, row)) }
                #expect(error.postgres?.sqlState == "23514", "\(change): \(error)")
                #expect(error.postgres?.constraint == check, "\(change): \(error)")
                #expect(error.code == .invalid)
            }
            try await connection.execute(insert(table.name, table.row))
        }
    }

    @Test("the tables above have every CHECK of the schema")
    func complete() async throws {
        try await withSchema { connection, configuration in
            let found = try await connection.query(
                "SELECT conname FROM pg_constraint WHERE connamespace = $1::regnamespace AND contype = 'c' AND coninhcount = 0",
                [.text(try #require(configuration.schema))]
            ).map { try $0.string(0) }
            let listed = Set(Self.tables.flatMap { $0.refused.map(\.check) })
            #expect(Set(found).symmetricDifference(listed).sorted() == [])
        }
    }

    @Test("a second job, key, slot, lead or schedule of the same name is refused")
    func unique() async throws {
        try await withSchema { connection, _ in
            for table in Self.tables
            where ["job", "job_key", "job_slot", "effect", "worker", "pause", "job_kind"].contains(table.name) {
                try await connection.execute(insert(table.name, table.row))
                let error = try await queueError { try await connection.execute(insert(table.name, table.row)) }
                #expect(error.postgres?.sqlState == "23505", "\(table.name): \(error)")
            }
            let error = try await queueError {
                try await connection.execute(
                    "INSERT INTO schedule (id, kind, spec, last_slot, next_slot) VALUES ('x', 'unknown', '{}', now(), now())"
                )
            }
            #expect(error.postgres?.sqlState == "23503")
        }
    }
}
