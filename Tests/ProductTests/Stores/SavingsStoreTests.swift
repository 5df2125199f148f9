import Foundation
import Infrastructure
import JobQueue
import Optimizer
import Postgres
import Testing

@testable import Jobs
@testable import Stores

@Suite("Stored savings")
struct SavingsStoreTests {
    private func write(_ facts: [Fact], _ scene: StoreScene, tenant: String = "acme") async throws {
        try await scene.write(try facts.map { try FactRecords.record(of: $0) }, tenant: tenant)
    }

    @Test("a day that is measured twice counts once; the statement adds up by cluster and feature")
    func days() async throws {
        try await StoreScene.with { scene in
            try await scene.clusters.add(Scene.registration(), credential: nil)
            let store = SavingsStore(scene.connection)
            let now = Date()
            let saving = SavingFact(
                key: "s-1", cluster: "prod", feature: .packing, .removed, subject: "i-1", before: 200_000,
                after: 50_000,
                since: now - 10 * 3600)
            try await write([.saving(saving)], scene)
            try await write([.saving(saving)], scene)
            let found = try await store.savings(of: "prod", since: now - 86_400)
            #expect(found.count == 1 && found[0].perHour == 150_000 && found[0].form == .removed)
            let day = LocalDay(now, in: .gmt)
            let facts = [
                Fact.savingDay(SavingDayFact(of: saving, day: day, hours: 4, after: 50_000)),
                .savingDay(SavingDayFact(of: saving, day: day + -1, hours: 6, after: 100_000)),
            ]
            try await write(facts, scene)
            try await write(facts, scene)
            try await write(facts, scene, tenant: "other")
            let lines = try await store.statement(cluster: nil, since: now - 5 * 86_400)
            let line = try #require(lines.first)
            #expect(lines.count == 1 && line.feature == "packing" && line.savings == 1)
            #expect(abs(line.realisedDollars - (4 * 0.15 + 6 * 0.10)) < 1e-9)
            #expect(line.realisedHours == 10)
            #expect(abs(line.projectedDollars - 1.5) < 0.01 && abs(line.projectedDollarsPerHour - 0.15) < 1e-9)
            #expect(try await store.statement(cluster: "other", since: now).isEmpty)
            #expect(try await scene.count("savings_by_day") == 2)
        }
    }

    @Test("room that was freed is told beside the sums, for as long as it lasted, and is in neither")
    func freed() async throws {
        try await StoreScene.with { scene in
            try await scene.clusters.add(Scene.registration(), credential: nil)
            let store = SavingsStore(scene.connection)
            let now = Date()
            let night = SavingFact(
                key: "night", cluster: "prod", feature: .officeHours, .freed, subject: "web/api", before: 100_000,
                after: .zero, since: now - 20 * 3600, until: now - 5 * 3600)
            let size = SavingFact(
                key: "size", cluster: "prod", feature: .rightsizing, .freed, subject: "web/api", before: 50_000,
                after: .zero, since: now - 10 * 3600)
            try await write([.saving(night), .saving(size)], scene)
            #expect(Set(try await store.savings(of: "prod", since: now - 86_400).map(\.until)).count == 2)
            let lines = try await store.statement(cluster: "prod", since: now - 5 * 86_400)
            #expect(lines.map(\.feature) == ["office-hours", "rightsizing"])
            #expect(abs(lines[0].freedDollars - 1.5) < 0.001 && abs(lines[1].freedDollars - 0.5) < 0.001)
            #expect(lines.allSatisfy { $0.projectedDollars == 0 && $0.projectedDollarsPerHour == 0 })
            let measure = SavingsMeasure(
                savings: [night, size], lives: [], prices: [], region: "us-east-1", horizon: .days(30))
            #expect(measure.measured(on: LocalDay(now, in: .gmt)).isEmpty)
        }
    }

    @Test(
        "a night of a node group is projected for as long as it lasted, and is no saving of today; its nodes are kept")
    func asleep() async throws {
        try await StoreScene.with { scene in
            try await scene.clusters.add(Scene.registration(), credential: nil)
            let store = SavingsStore(scene.connection)
            let now = Date()
            let night = SavingFact(
                key: "night", cluster: "prod", feature: .officeHours, .asleep, subject: "i-1", before: 100_000,
                after: .zero, since: now - 20 * 3600, until: now - 5 * 3600)
            let record = SleepRecord(state: .asleep, original: 3, asleepLevel: 1, since: now)
            var group = NodeGroupSleep(
                cluster: "prod", group: "autoscaling-group/batch", record: record, minSize: 1, at: now,
                nodes: ["i-1": 100_000, "i-2": 96_000])
            try await write([.saving(night), .nodeGroupSleep(group)], scene)
            try await write([.saving(night)], scene)
            #expect(try await store.savings(of: "prod", since: now - 86_400).map(\.form) == [.asleep])
            let line = try #require(try await store.statement(cluster: "prod", since: now - 5 * 86_400).first)
            #expect(line.savings == 1 && abs(line.projectedDollars - 1.5) < 0.001)
            #expect(line.projectedDollarsPerHour == 0 && line.freedDollars == 0)
            let gauge = try #require(try await scene.connection.query(SavingGauge.sql).first)
            #expect(try gauge.double(5) == 0)
            let sleepers = SleeperStore(scene.connection)
            #expect(try await sleepers.nodeGroups(in: "prod").map(\.nodes) == [["i-1": 100_000, "i-2": 96_000]])
            group.nodes = nil
            group.at = now + 60
            try await write([.nodeGroupSleep(group)], scene)
            #expect(try await sleepers.nodeGroups(in: "prod").map(\.nodes) == [nil])
        }
    }

    @Test("nodes that are seen live on; what is too old is swept by the installation's own job only")
    func livesAndSweep() async throws {
        try await StoreScene.with { scene in
            try await scene.clusters.add(Scene.registration(), credential: nil)
            let now = Date()
            func seen(_ id: InstanceID, _ at: Date) -> Fact {
                .indexedInstance(
                    IndexedInstance(
                        instance: id, cluster: "prod", node: "n", nodeUID: "u", seenAt: at, type: "m5.large",
                        zone: "us-east-1a", capacity: .spot))
            }
            try await write([seen("i-00000001", now - 7200), seen("i-00000002", now - 500 * 86_400)], scene)
            try await write([seen("i-00000001", now)], scene)
            let lives = try await SavingsStore(scene.connection).lives(of: "prod", since: now - 86_400)
            #expect(lives.count == 1 && lives[0].capacity == .spot)
            #expect(abs(lives[0].lastSeen.timeIntervalSince(lives[0].firstSeen) - 7200) < 1)
            try await scene.connection.script(
                """
                INSERT INTO finding (key, tenant, code, subject, severity, message, kind, job_id, last_at)
                VALUES ('old', 'acme', 'c', 's', 'info', 'm', 'k', gen_random_uuid(), now() - interval '31 days'),
                       ('new', 'acme', 'c', 's', 'info', 'm', 'k', gen_random_uuid(), now());
                INSERT INTO event_dead_letter (key, tenant, queue, message, error, body, job_id, received_at)
                VALUES ('old', 'acme', 'q', 'm', 'e', '', gen_random_uuid(), now() - interval '31 days');
                INSERT INTO interruption (cluster_id, instance_id, generation, kind, event_at, deadline, closed_at, job_id)
                VALUES ('prod', 'i-1', 1, 'spot-warning', now(), now(), now() - interval '91 days', gen_random_uuid()),
                       ('prod', 'i-2', 1, 'spot-warning', now(), now(), NULL, gen_random_uuid())
                """)
            let sweep = Fact.sweep(
                SweepFact(findingDays: 30, interruptionDays: 90, deadLetterDays: 30, proposalDays: 90, priceDays: 400))
            try await write([sweep], scene, tenant: "acme")
            #expect(try await scene.count("finding") == 2)
            try await write([sweep], scene, tenant: "")
            #expect(try await scene.count("finding") == 1)
            #expect(try await scene.count("event_dead_letter") == 0)
            #expect(try await scene.count("interruption") == 1)
            #expect(try await scene.count("node_life") == 1)
        }
    }
}
