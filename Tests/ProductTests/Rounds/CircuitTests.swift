import Foundation
import Infrastructure
import JobQueue
import Postgres
import Synchronization
import Testing

@testable import Jobs
@testable import Stores

@Suite("Circuit breakers")
struct CircuitTests {
    private static let trouble = FarSideError(.network, "no answer", side: .kubernetes)

    private static func job(_ lane: Lane) -> ClaimedJob {
        ClaimedJob(
            id: JobID(), kind: "snapshot-cluster", tenant: "acme", target: "prod", queue: "default", lane: lane,
            fence: 1,
            attempt: 1, attemptsMax: 3, parameters: .emptyObject, checkpoint: nil, timeLeft: .seconds(60),
            traceparent: nil,
            isLate: false)
    }

    /// Open from the n-th failure on, for half a minute.
    private final class Counted: Circuits {
        let failures = Mutex(0)
        func wait(for side: FarSide, of target: String) -> Duration? {
            failures.withLock { $0 >= 5 ? .seconds(30) : nil }
        }
        func room(for side: FarSide, of target: String) -> Duration? { side == .aws ? .seconds(40) : nil }
        func noteFailure(_ message: String, of side: FarSide, target: String) -> Bool {
            failures.withLock { failures in
                failures += 1
                return failures == 5
            }
        }
        func noteSuccess(of side: FarSide, target: String) { failures.withLock { $0 = 0 } }
    }

    @Test("five failures in a row open it, with one finding; its jobs wait, lane 0 goes on")
    func opens() async throws {
        let circuits = Counted()
        var findings: [Finding] = []
        for _ in 0..<7 {
            let gate = CircuitGate(circuits, Self.job(.interruption))
            try await gate.pass(.kubernetes)
            if let finding = try await gate.note(Self.trouble) { findings.append(finding) }
        }
        #expect(findings.map(\.code) == ["far-side-down"])
        #expect(findings.first?.subject == "kubernetes")
        let open = await #expect(throws: CircuitGate.Open.self) {
            try await CircuitGate(circuits, Self.job(.work)).pass(.kubernetes)
        }
        #expect(try #require(open).wait >= .seconds(30))
    }

    @Test(
        "what is not the far side's trouble opens nothing",
        arguments: [
            FarSideError(.notFound, "x", side: .aws), FarSideError(.forbidden, "x", side: .aws),
            FarSideError(.noCapacity, "x", side: .aws), FarSideError(.network, "a webhook"),
        ])
    func harmless(_ error: FarSideError) async throws {
        let circuits = Counted()
        let gate = CircuitGate(circuits, Self.job(.work))
        for _ in 0..<6 { #expect(try await gate.note(error) == nil) }
        #expect(circuits.failures.withLock { $0 } == 0)
    }

    @Test("the fleet shares it: one caller in half a minute probes, and an answer closes it")
    func shared() async throws {
        try await StoreScene.with { scene in
            let (one, other) = (CircuitStore(scene.connection), CircuitStore(scene.connection))
            func fail(_ store: CircuitStore) async throws -> Bool {
                try await store.noteFailure("no answer", of: .aws, target: "prod")
            }
            #expect(try await one.wait(for: .aws, of: "prod") == nil)
            var opened: [Bool] = []
            for index in 0..<6 { opened.append(try await fail(index < 3 ? one : other)) }
            #expect(opened == [false, false, false, false, true, false])
            for store in [one, other] {
                let wait = try #require(try await store.wait(for: .aws, of: "prod"))
                #expect((.seconds(25) ... .seconds(31)).contains(wait))
                #expect(try await store.wait(for: .kubernetes, of: "prod") == nil)
            }
            try await scene.connection.execute("UPDATE circuit SET probe_at = now() - interval '1 s'")
            let probes = [try await one.wait(for: .aws, of: "prod"), try await other.wait(for: .aws, of: "prod")]
            #expect(probes[0] == nil)
            #expect(probes[1] != nil)
            try await one.noteSuccess(of: .aws, target: "prod")
            #expect(try await other.wait(for: .aws, of: "prod") == nil)
            let rows = try await scene.connection.query("SELECT count(*) FROM circuit_status")
            #expect(try rows.first?.int(0) == 0)
        }
    }

    @Test("a rate that leaves no room is waited for and said so; lane 0 is not held")
    func rated() async throws {
        let gate = CircuitGate(Counted(), Self.job(.work))
        let full = try #require(await #expect(throws: CircuitGate.Open.self) { try await gate.pass(.aws) })
        #expect(full.wait >= .seconds(40) && full.wait < .seconds(80))
        #expect(full.why.contains("rate for aws"))
        try await gate.pass(.kubernetes)
        try await CircuitGate(Counted(), Self.job(.interruption)).pass(.aws)
    }

    @Test("an operator's rate for a far API is shared by the fleet, holds for all targets or one, and can be lifted")
    func rates() async throws {
        try await StoreScene.with { scene in
            func stores() -> [CircuitStore] { (0..<2).map { _ in CircuitStore(scene.connection) } }
            for store in stores() { #expect(try await store.room(for: .aws, of: "prod") == nil) }
            try await scene.connection.execute(
                """
                INSERT INTO job_limit (scope, name, per_second, burst, by) VALUES
                    ('api', 'kubernetes', 0.01, 3, 'anna'), ('api', 'kubernetes/prod', 0.01, 1, 'anna')
                """)
            let (one, other) = (stores()[0], stores()[1])
            #expect(try await one.room(for: .kubernetes, of: "prod") == nil)
            let wait = try #require(try await other.room(for: .kubernetes, of: "prod"))
            #expect((.seconds(60) ... .seconds(101)).contains(wait))
            #expect(try await other.room(for: .kubernetes, of: "dev") == nil)
            #expect(try await one.room(for: .kubernetes, of: "test") == nil)
            #expect(try await one.room(for: .kubernetes, of: "dev") != nil, "three rounds of any cluster")
            #expect(try await one.room(for: .aws, of: "prod") == nil)
            try await scene.connection.execute("UPDATE rate_bucket SET at = at - interval '101 s'")
            #expect(try await other.room(for: .kubernetes, of: "prod") == nil, "a token came")
            try await scene.connection.execute("DELETE FROM job_limit")
            for store in stores() { #expect(try await store.room(for: .kubernetes, of: "prod") == nil) }
        }
    }
}
