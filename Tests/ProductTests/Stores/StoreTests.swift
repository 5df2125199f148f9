import Foundation
import Infrastructure
import JobQueue
import Postgres
import Sealing
import Testing

@testable import Jobs
@testable import Stores

@Suite("The product's tables")
struct StoreTests {
    struct Stop: Error {}

    static func facts(_ facts: [Fact]) throws -> [Record] { try facts.map(FactRecords.record(of:)) }

    static func interruption(deadline: Double, generation: Int = 1, cluster: ClusterID = "prod") -> Interruption {
        Interruption(
            cluster: cluster, instance: Scene.instance, generation: generation, kind: .spotWarning,
            eventAt: Scene.start,
            deadline: Scene.start.addingTimeInterval(deadline))
    }

    @Test("every kind of fact has a statement, and every statement a kind")
    func kinds() {
        #expect(Set(RecordStatements.all.keys) == Set(FactRecords.Kind.allCases.map(\.rawValue)))
    }

    @Test("every statement prepares against the migrated schema")
    func prepared() async throws {
        try await StoreScene.with { scene in
            var statements = Array(RecordStatements.all.values)
            statements += [
                ClusterStore.one, ClusterStore.onQueue, ClusterStore.inAccount, ClusterStore.every,
                ClusterStore.sealed, ClusterStore.insertTenant, ClusterStore.insertQueue, ClusterStore.insert,
                ClusterStore.delete, ClusterStore.deleteQueues, ClusterStore.setMode, ClusterStore.setCredential,
                ClusterStore.syncTargets, InterruptionStore.indexed, InterruptionStore.newest,
                InterruptionStore.live, ClusterStore.inRegion, ClusterStore.regions,
            ]
            statements += [
                PolicyStore.mode, PolicyStore.setKillSwitch, PolicyStore.current, PolicyStore.history,
                PolicyStore.insert, PolicyStore.setClusterKillSwitch, PolicyStore.take, PolicyStore.taken,
                ProposalStore.one, ProposalStore.list, ProposalStore.answer, ProposalStore.setJob,
            ]
            statements += [
                PriceStore.spot, PriceStore.unavailable, PriceStore.onDemand, PriceStore.advice,
                PriceStore.incidents, PriceStore.outcomes, PriceStore.source, PriceStore.types, PriceStore.coverage,
                SightingStore.volumes, SightingStore.ghosts, SavingsStore.savings, SavingsStore.lives,
                SavingsStore.statement, FindingReader.findings, FindingReader.interruptions,
            ]
            statements += [CircuitStore.read, CircuitStore.wait, CircuitStore.fail, CircuitStore.succeed]
            statements += [CircuitStore.readRates, CircuitStore.takeToken, CircuitStore.untilToken]
            statements += SnapshotFields.all.map(\.sql)
            statements += ExplainReasons.all.map { "WITH j AS (SELECT * FROM job WHERE id = $1) \($0)" }
            for (number, statement) in statements.enumerated() {
                try await scene.connection.script("PREPARE product_\(number) AS \(statement)")
            }
        }
    }

    @Test("a cluster comes back as it was added, and brings its targets and schedules; removing it takes them along")
    func registry() async throws {
        try await StoreScene.with { scene in
            try await scene.connection.execute(
                """
                INSERT INTO job_kind (kind, spec, spec_version) VALUES
                ('poll-sqs', '{"fan_out":"queue","schedule":{"every":5}}', 1)
                """)
            var registration = Scene.registration()
            registration.authority = "-----BEGIN CERTIFICATE-----"
            registration.roleARN = "arn:aws:iam::123456789012:role/CloudOptim"
            registration.externalID = "x-1"
            try await scene.clusters.add(registration, credential: nil)
            let back = try #require(try await scene.clusters.cluster("prod"))
            registration.createdAt = back.createdAt
            #expect(back == registration)
            #expect(try await scene.clusters.clusters(onQueue: Scene.queue, of: "acme").map(\.id) == ["prod"])
            #expect(try await scene.clusters.clusters(onQueue: Scene.queue, of: "mallory").isEmpty)
            #expect(try await scene.count("schedule") == 1)
            #expect(try await scene.clusters.remove("prod"))
            #expect(try await scene.count("schedule") == 0)
            #expect(try await scene.count("job_target") == 0)
            #expect(try await scene.clusters.remove("prod") == false)
        }
    }

    @Test("what runs along with adding a cluster is undone with it")
    func along() async throws {
        try await StoreScene.with { scene in
            await #expect(throws: Stop.self) {
                try await scene.clusters.add(Scene.registration(), credential: nil) { _ in throw Stop() }
            }
            let found = try await scene.clusters.cluster("prod")
            let targets = try await scene.count("job_target")
            #expect(found == nil && targets == 0)
        }
    }

    @Test("a taken id, and another tenant's queue, are conflicts; bad fields are named")
    func conflicts() async throws {
        try await StoreScene.with { scene in
            try await scene.clusters.add(Scene.registration(), credential: nil)
            await #expect { try await scene.clusters.add(Scene.registration(), credential: nil) } throws: {
                ($0 as? QueueError)?.code == .conflict
            }
            await #expect {
                try await scene.clusters.add(Scene.registration("evil", tenant: "mallory"), credential: nil)
            } throws: { error in
                (error as? QueueError)?.code == .conflict && "\(error)".contains("another tenant")
            }
            await #expect {
                try await scene.clusters.add(Scene.registration("new", account: "12"), credential: nil)
            } throws: { "\($0)".contains("'account' is '12'") }
            #expect(try await scene.clusters.clusters().map(\.id) == ["prod"])
        }
    }

    @Test("a credential opens only for its own tenant, its own cluster and a ring that has its key")
    func credentials() async throws {
        try await StoreScene.with { scene in
            try await scene.clusters.add(Scene.registration(), credential: ClusterCredential(token: "s3cret"))
            #expect(try await scene.clusters.credential(of: "prod", for: "acme").token == "s3cret")
            await #expect(throws: FarSideError.self) { try await scene.clusters.credential(of: "prod", for: "mallory") }
            let stored = try await scene.connection.query("SELECT credential FROM cluster").first?.text(0)
            #expect(stored?.contains("s3cret") == false)
            // A row copied by somebody with access to the database does not open for the cluster it was copied to.
            var other = Scene.registration("evil", tenant: "mallory")
            other.queueURL = nil
            try await scene.clusters.add(other, credential: nil)
            try await scene.connection.execute(
                "UPDATE cluster SET credential = (SELECT credential FROM cluster WHERE id = 'prod') WHERE id = 'evil'")
            await #expect(throws: FarSideError.self) { try await scene.clusters.credential(of: "evil", for: "mallory") }
            let stranger = ClusterStore(
                scene.connection,
                keyring: try SealingKeyring(text: "k2:" + Data(repeating: 9, count: 32).base64EncodedString()))
            await #expect(throws: FarSideError.self) { try await stranger.credential(of: "prod", for: "acme") }
        }
    }

    @Test("interruptions merge by the earliest deadline, in one batch and over time; what is set once stays")
    func interruptions() async throws {
        try await StoreScene.with { scene in
            try await scene.clusters.add(Scene.registration(), credential: nil)
            var second = StoreTests.interruption(deadline: 90)
            second.lifecycle = LifecycleAction(group: "g", hook: "h", token: nil, instance: Scene.instance)
            try await scene.write(
                try StoreTests.facts([
                    .interruption(StoreTests.interruption(deadline: 120)), .interruption(second),
                    .interruption(StoreTests.interruption(deadline: 300)),
                ]))
            try await scene.write(try StoreTests.facts([.interruption(StoreTests.interruption(deadline: 60))]))
            var found = try #require(try await scene.interruptions.find(Scene.instance, of: "prod"))
            #expect(found.deadline == Scene.start.addingTimeInterval(60))
            #expect(found.lifecycle == second.lifecycle)
            let need = ReplacementRequirement(
                moving: Resources(cpu: 5, memory: 6, pods: 7), daemons: Resources(), architecture: "arm64", zone: "a")
            var other = need
            other.zone = "b"
            let at = Scene.start.addingTimeInterval(40.25)
            try await scene.write(
                try StoreTests.facts([
                    .interruptionProgress(.init(of: found, requirement: need)),
                    .interruptionProgress(.init(of: found, cordonedAt: Scene.start, drainedAt: at)),
                ]))
            try await scene.write(
                try StoreTests.facts([
                    .interruptionProgress(
                        .init(
                            of: found, requirement: other, drainedAt: at.addingTimeInterval(9),
                            replacement: "i-0bbbbbbbbbbbbbbbb",
                            closedAt: at))
                ]))
            found = try #require(try await scene.interruptions.find(Scene.instance, of: "prod"))
            #expect(found.requirement == need && found.drainedAt == at && found.closedAt == at)
            #expect(found.replacement == "i-0bbbbbbbbbbbbbbbb")
            #expect(try await scene.interruptions.live(in: "prod").isEmpty)
            try await scene.write(
                try StoreTests.facts([.interruption(StoreTests.interruption(deadline: 5000, generation: 2))]))
            #expect(try await scene.interruptions.live(in: "prod").map(\.generation) == [2])
        }
    }

    @Test("facts about another tenant's cluster are never written")
    func tenants() async throws {
        try await StoreScene.with { scene in
            try await scene.clusters.add(Scene.registration(), credential: nil)
            let entry = IndexedInstance(
                instance: Scene.instance, cluster: "prod", node: "n", nodeUID: "u", seenAt: Scene.start)
            let pool = UnavailablePoolFact(
                account: "123456789012", pool: SpotPool(region: "us-east-1", zone: "us-east-1a", type: "m5.large"),
                capacity: .spot,
                until: Scene.start, reason: "x")
            let records = try StoreTests.facts([
                .interruption(StoreTests.interruption(deadline: 1)), .indexedInstance(entry), .unavailablePool(pool),
                .saving(
                    SavingFact(
                        key: "s", cluster: "prod", feature: .interruptions, .cheaper, subject: Scene.instance.rawValue,
                        before: 2, after: 1, since: Scene.start)),
            ])
            try await scene.write(records, tenant: "mallory")
            for table in ["interruption", "instance_index", "unavailable_pool", "saving"] {
                #expect(try await scene.count(table) == 0)
            }
            try await scene.write(records)
            try await scene.write(records)
            for table in ["interruption", "instance_index", "unavailable_pool", "saving"] {
                #expect(try await scene.count(table) == 1)
            }
        }
    }

    @Test("the index forgets nodes that a snapshot did not see, and only those")
    func index() async throws {
        try await StoreScene.with { scene in
            try await scene.clusters.add(Scene.registration(), credential: nil)
            func entry(_ id: InstanceID, _ seconds: Double) -> Fact {
                .indexedInstance(
                    IndexedInstance(
                        instance: id, cluster: "prod", node: "n-\(id)", nodeUID: "u",
                        seenAt: Scene.start.addingTimeInterval(seconds)))
            }
            try await scene.write(try StoreTests.facts([entry("i-00000001", 0), entry("i-00000002", 0)]))
            try await scene.write(
                try StoreTests.facts([
                    entry("i-00000002", 60), .indexSwept(cluster: "prod", before: Scene.start.addingTimeInterval(60)),
                ]))
            let found: [IndexedInstance] = try await scene.interruptions.find(
                ["i-00000001", "i-00000002"], in: ["prod"])
            #expect(found.map(\.instance) == ["i-00000002"])
        }
    }

    @Test("an event is kept once, a dead letter byte for byte, a finding once with its count")
    func events() async throws {
        try await StoreScene.with { scene in
            let event = EventFact(
                key: "event/acme/1/r/e", queue: "q", kind: "spot-warning", account: "1", region: "r",
                instances: [Scene.instance], cluster: nil, at: Scene.start, outcome: .foreign)
            let body = "\u{0}\u{1F4A5}"
            let letter = DeadLetterFact(
                message: "m", queue: "q", error: "not JSON\u{0}", bodyBase64: Data(body.utf8).base64EncodedString())
            let records = try StoreTests.facts([.event(event), .event(event), .deadLetter(letter)])
            try await scene.write(records)
            try await scene.write(records)
            #expect(try await scene.count("foreign_event") == 1)
            let kept = try await scene.connection.query("SELECT body FROM event_dead_letter")
            #expect(kept.count == 1)
            #expect(try kept.first?.bytes(0) == Array(body.utf8))
            let finding = Record(
                kind: "finding", key: "c/prod/x",
                value: JSONText(
                    text: #"{"code":"c","subject":"x","severity":"info","message":"m","job_kind":"noop"}"#))
            let job = JobID()
            try await scene.write([finding], job: job)
            try await scene.write([finding], job: job)
            try await scene.write([finding])
            #expect(try await scene.connection.query("SELECT times FROM finding").map { try $0.int(0) } == [2])
        }
    }

    @Test("the mode in force is the least of kill switch, cluster and kind")
    func policies() async throws {
        try await StoreScene.with { scene in
            try await scene.clusters.add(Scene.registration(), credential: nil)
            #expect(try await scene.policies.mode(of: "prod", kind: "drain-node") == .apply)
            try await scene.policies.setMode(.propose, of: "prod", kind: "drain-node", by: "ops")
            #expect(try await scene.policies.mode(of: "prod", kind: "drain-node") == .propose)
            #expect(try await scene.policies.mode(of: "prod", kind: "replace-node") == .apply)
            #expect(try await scene.policies.mode(of: "gone", kind: "drain-node") == .off)
            #expect(try await scene.policies.mode(of: nil, kind: "notify") == .apply)
            #expect(try await scene.policies.setKillSwitch(true, of: "prod", by: "ops"))
            #expect(try await scene.policies.mode(of: "prod", kind: "replace-node") == .observe)
            #expect(try await scene.policies.mode(of: nil, kind: "notify") == .apply)
            #expect(try await scene.policies.setKillSwitch(false, of: "prod", by: "ops"))
            #expect(try await scene.policies.setKillSwitch(true, of: "gone", by: "ops") == false)
            #expect(try await scene.policies.mode(of: "prod", kind: "replace-node") == .apply)
            #expect(try await scene.policies.mode(of: "prod", kind: "defrag") == .observe)
            try await scene.policies.setKillSwitch(true, by: "ops")
            #expect(try await scene.policies.mode(of: "prod", kind: "replace-node") == .observe)
            #expect(try await scene.policies.mode(of: nil, kind: "notify") == .observe)
            #expect(try await scene.clusters.setMode(.off, of: "prod"))
            #expect(try await scene.policies.mode(of: "prod", kind: "replace-node") == .off)
        }
    }

    @Test("every version of a policy is kept with who and why; one made from an old version is refused")
    func policyVersions() async throws {
        try await StoreScene.with { scene in
            var registration = Scene.registration()
            registration.timeZone = "Europe/Berlin"
            try await scene.clusters.add(registration, credential: nil)
            var policy = try await scene.policies.policy(of: "prod")
            #expect(policy == ClusterPolicy().inZone("Europe/Berlin"))
            policy.disruption.nodesPerHourMax = 3
            #expect(try await scene.policies.set(policy, of: "prod", by: "ann", note: "slower") == 1)
            await #expect(throws: QueueError.self) {
                _ = try await scene.policies.set(policy, of: "prod", by: "bob", note: "from an old version")
            }
            policy = try await scene.policies.policy(of: "prod")
            #expect(policy.version == 1)
            #expect(policy.disruption.nodesPerHourMax == 3)
            policy.saving.scoreFactor = .nan
            await #expect(throws: QueueError.self) {
                _ = try await scene.policies.set(policy, of: "prod", by: "bob", note: "no number")
            }
            try await scene.policies.setMode(.apply, of: "prod", kind: "packing", by: "bob")
            let history = try await scene.policies.history(of: "prod")
            #expect(history.map(\.policy.version) == [2, 1])
            #expect(history.map(\.by) == ["bob", "ann"])
            #expect(history.map(\.note) == ["packing: apply", "slower"])
            #expect(history[0].policy.disruption.nodesPerHourMax == 3)
            #expect(try await scene.policies.mode(of: "prod", kind: "defrag") == .apply)
            await #expect(throws: QueueError.self) { _ = try await scene.policies.policy(of: "gone") }
        }
    }

    @Test("an hourly budget is taken once for each key, by one worker at a time, and comes back after an hour")
    func budgets() async throws {
        try await StoreScene.with { scene in
            try await scene.clusters.add(Scene.registration(), credential: nil)
            func take(_ key: String, at second: Double, max: Int = 2) async throws -> Bool {
                try await scene.policies.take(.pod, key: key, of: "prod", at: Scene.start + second, atMost: max)
            }
            #expect(try await take("a", at: 0))
            #expect(try await take("b", at: 10))
            #expect(try await !take("c", at: 20))
            #expect(try await take("a", at: 30))
            #expect(try await scene.policies.take(.node, key: "n", of: "prod", at: Scene.start, atMost: 1))
            #expect(try await take("c", at: 3601))
            #expect(try await !take("d", at: 3602))
            #expect(try await scene.policies.taken(.pod, of: "prod", since: Scene.start + 5) == 2)
        }
    }
}
