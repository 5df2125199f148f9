import Foundation
import HTTPClient
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// What comes out of a queue may be anything, and EC2 may refuse anything. One warning that is in order comes along each
    /// time: it must not be lost.
    @Suite(
        "Messages and answers of AWS",
        .fleet(clusters: ["blue", "red"], nodes: 12, pods: 24, environment: FleetPlan.impatient))
    struct MessageTests {
        @Test("Unreadable messages become dead letters, byte for byte, and the warning between them is acted on")
        func unreadable() async throws {
            let fleet = try Fleet.current
            let world = try fleet.world
            try await registerBoth(fleet)
            let queue = try world.cluster(fleet.cluster("blue")).queueURL
            let node = try await freshNode(fleet, "blue")
            let deep = String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000)
            let deepEvent = "{\"source\":\"aws.ec2\",\"detail-type\":" + deep + "}"
            let bodies = [
                randomText(bytes: 4000), String(randomText(bytes: 400).reversed()), "{", "null", "[]", "\"text\"", deep,
                deepEvent, "{\"detail-type\":7,\"source\":\"aws.ec2\"}",
                Event.spotWarning("../../etc/passwd"),
                Event.spotWarning("i-0123456789abcdef0', 'x'); DROP TABLE job; --"),
                Event.spotWarning(node, id: "with space"),
            ]
            try await world.send(bodies + [Event.spotWarning(node)], to: queue)
            try await eventually("every unreadable one is a dead letter") {
                try await fleet.number("SELECT count(*) FROM event_dead_letter") == bodies.count
            }
            let stored = try await fleet.rows("SELECT convert_from(body, 'UTF8'), error FROM event_dead_letter")
            #expect(Set(try stored.map { try $0.string(0) }) == Set(bodies))
            #expect(try stored.allSatisfy { try (5...500).contains($0.string(1).count) })
            #expect(try stored.contains { try $0.string(1).contains("nested too deep") })
            try await expectCordoned(fleet, node)
            try await expectEmpty(fleet, queue)
        }

        @Test("Messages of the largest size that SQS takes are read like any other")
        func largest() async throws {
            let fleet = try Fleet.current
            let world = try fleet.world
            try await registerBoth(fleet)
            let queue = try world.cluster(fleet.cluster("blue")).queueURL
            let node = try await freshNode(fleet, "blue")
            let letters = try await fleet.number("SELECT count(*) FROM event_dead_letter")
            // 1 MiB now, 256 KiB before: what this SQS takes.
            let sizes = [1 << 20, 1 << 18]
            let room = Event.spotWarning(node).utf8.count
            var size = 0
            for candidate in sizes where size == 0 {
                struct Message: Encodable {
                    var QueueUrl: String
                    var MessageBody: String
                }
                let body = String(repeating: "x", count: candidate)
                if try await world.sqs("SendMessage", Message(QueueUrl: queue, MessageBody: body)).status == 200 {
                    size = candidate
                }
            }
            try #require(size > 0, "SQS takes neither of \(sizes) bytes")
            for body in [Event.spotWarning(node, padding: size - room)] {
                #expect(body.utf8.count == size)
                try await world.send([body], to: queue)
            }
            try await eventually("the large text is a dead letter") {
                try await fleet.number(
                    "SELECT count(*) FROM event_dead_letter WHERE length(body) = $1", [.int(Int64(size))]) == 1
            }
            try await expectCordoned(fleet, node)
            #expect(try await fleet.number("SELECT count(*) FROM event_dead_letter") == letters + 1)
            try await expectEmpty(fleet, queue)
        }

        @Test("A forged warning for another tenant's instance is acknowledged, listed as foreign, and nothing is done")
        func forged() async throws {
            let fleet = try Fleet.current
            let world = try fleet.world
            try await registerBoth(fleet)
            // acme's queue gets warnings about an instance of globex: with its true account and region, and with others.
            let victim = try await freshNode(fleet, "red")
            let queue = try world.cluster(fleet.cluster("blue")).queueURL
            let honest = try await freshNode(fleet, "blue")
            let jobs =
                "SELECT count(*) FROM job_status WHERE target = $1 AND kind IN ('interrupt-node', 'drain-node', 'replace-node')"
            let before = try await fleet.number(jobs, [.text(fleet.cluster("red"))])
            let ids = ["forged-same", "forged-account", "forged-region"].map { "\($0)-\(UUID().uuidString)" }
            try await world.send(
                [
                    Event.spotWarning(victim, id: ids[0]),
                    Event.spotWarning(victim, account: "999999999999", id: ids[1]),
                    Event.spotWarning(victim, region: "eu-west-1", id: ids[2]), Event.spotWarning(honest),
                ], to: queue)
            try await expectCordoned(fleet, honest)
            let outcomes = try await eventually("all three are accounted for") {
                let rows = try await fleet.rows(
                    "SELECT key, outcome, tenant, cluster_id FROM event WHERE key LIKE '%forged-%'")
                return rows.count == 3 ? rows : nil
            }
            for row in outcomes {
                let key = try row.string(0)
                // In its own account and region an unknown instance cannot be told from one that is in no cluster.
                #expect(try row.string(1) == (key.hasSuffix(ids[0]) ? "unknown-instance" : "foreign"), "\(key)")
                #expect(try row.string(2) == "acme")
                #expect(row.text(3) == nil)
            }
            #expect(try await fleet.number("SELECT count(*) FROM foreign_event WHERE key LIKE '%forged-%'") == 2)
            #expect(
                try await fleet.number("SELECT count(*) FROM interruption WHERE instance_id = $1", [.text(victim)]) == 0
            )
            #expect(try await fleet.number(jobs, [.text(fleet.cluster("red"))]) == before)
            #expect(try await world.state().node(victim)?.cordonedAt == nil)
            try await expectEmpty(fleet, queue)
        }

        @Test("EC2 refuses the launch (UnauthorizedOperation): a finding says so, and the drain goes on all the same")
        func unauthorizedLaunch() async throws {
            let fleet = try Fleet.current
            let world = try fleet.world
            try await registerBoth(fleet)
            let fault =
                "{\"effect\":\"unauthorized\",\"endpoint\":\"aws\",\"service\":\"ec2\",\"action\":\"CreateFleet\"}"
            try await world.withFault(fault) {
                let node = try await freshNode(fleet, "blue")
                let queue = try world.cluster(fleet.cluster("blue")).queueURL
                try await world.send([Event.spotWarning(node)], to: queue)
                try await expectCordoned(fleet, node)
                try await eventually("a finding says what EC2 refused") {
                    try await fleet.number(
                        "SELECT count(*) FROM finding WHERE cluster_id = $1 AND message LIKE '%UnauthorizedOperation%'",
                        [.text(fleet.cluster("blue"))]) > 0
                }
                try await eventually("its pods are evicted all the same") {
                    guard let seen = try await world.state().node(node) else { return false }
                    return seen.drainedAt != nil || seen.podsEvicted > 0
                }
                #expect(
                    try await fleet.number(
                        "SELECT count(*) FROM interruption WHERE instance_id = $1 AND replacement IS NOT NULL",
                        [.text(node)]) == 0)
            }
        }

        @Test("EC2 throttles (RequestLimitExceeded): the launch is asked for again, and made once")
        func throttledLaunch() async throws {
            let fleet = try Fleet.current
            let world = try fleet.world
            try await registerBoth(fleet)
            let before = Set(try await world.state().launchesByToken.keys)
            let fault =
                "{\"effect\":\"throttle\",\"endpoint\":\"aws\",\"service\":\"ec2\",\"action\":\"CreateFleet\",\"count\":4}"
            let node = try await freshNode(fleet, "blue")
            try await world.withFault(fault) {
                try await world.send([Event.spotWarning(node)], to: world.cluster(fleet.cluster("blue")).queueURL)
                try await expectCordoned(fleet, node)
                try await eventually("a replacement is launched", within: .seconds(60)) {
                    try await fleet.number(
                        "SELECT count(*) FROM interruption WHERE instance_id = $1 AND replacement IS NOT NULL",
                        [.text(node)]) == 1
                }
            }
            // Every launch is somebody's one replacement: the test before leaves a node whose launch was refused till its end.
            try await eventually("each launched instance is the replacement of one node") {
                let launches = try await world.state().launchesByToken.filter { !before.contains($0.key) }
                #expect(launches.values.allSatisfy { $0.instanceIDs.count == 1 }, "\(launches)")
                let replacements = try await fleet.rows(
                    "SELECT replacement FROM interruption WHERE replacement = ANY ($1::text[])",
                    [.textArray(launches.values.flatMap(\.instanceIDs))])
                return !launches.isEmpty && replacements.count == launches.count
            }
        }

        @Test("Every AWS call is refused for a while: the messages wait in their queue and are read afterwards")
        func expiredCredentials() async throws {
            let fleet = try Fleet.current
            let world = try fleet.world
            try await registerBoth(fleet)
            let node = try await freshNode(fleet, "blue")
            let queue = try world.cluster(fleet.cluster("blue")).queueURL
            try await world.withFault(
                "{\"effect\":\"expired-token\",\"endpoint\":\"aws\",\"service\":\"sqs\",\"action\":\"ReceiveMessage\"}"
            ) {
                try await world.send([Event.spotWarning(node)], to: queue)
                try await eventually("a poll says what it was told") {
                    try await fleet.number(
                        "SELECT count(*) FROM job_status WHERE kind = 'poll-sqs' AND last_error::text LIKE '%ExpiredToken%'"
                    ) > 0
                }
            }
            try await expectCordoned(fleet, node)
        }

        // MARK: Parts

        /// Both clusters and the roles, once for the suite.
        private func registerBoth(_ fleet: Fleet) async throws {
            guard try await fleet.number("SELECT count(*) FROM cluster") == 0 else { return }
            for (short, tenant) in [("blue", "acme"), ("red", "globex")] {
                let answer = try await fleet.add(short, tenant: tenant)
                try #require(answer.status == 0, "\(answer)")
            }
            try await fleet.startRoles(workers: 2)
            for short in ["blue", "red"] { try await fleet.awaitIndex(short, nodes: 12) }
        }

        /// An instance that no test has used yet.
        private func freshNode(_ fleet: Fleet, _ short: String) async throws -> String {
            let used = Set(
                try await fleet.rows("SELECT instance_id FROM interruption").map { try $0.string(0) })
            let nodes = try await fleet.world.state().nodes(of: fleet.cluster(short))
            return try #require(
                nodes.first { $0.clientToken == nil && $0.cordonedAt == nil && !used.contains($0.instanceID) }?
                    .instanceID)
        }

        private func expectCordoned(_ fleet: Fleet, _ instance: String) async throws {
            try await eventually("\(instance) is cordoned") {
                try await fleet.world.state().node(instance)?.cordonedAt != nil
            }
        }

        private func expectEmpty(_ fleet: Fleet, _ queue: String) async throws {
            struct Question: Encodable {
                var QueueUrl: String
                var AttributeNames = ["All"]
            }
            struct Reply: Decodable {
                var Attributes: [String: String]
            }
            try await eventually("every message is acknowledged") {
                let response = try await fleet.world.sqs("GetQueueAttributes", Question(QueueUrl: queue))
                let reply: Reply = try JSONText(text: String(decoding: response.body, as: UTF8.self)).decode()
                return reply.Attributes["ApproximateNumberOfMessages"] == "0"
                    && reply.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
            }
        }

        /// Random characters of all that SQS takes: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
        private func randomText(bytes: Int) -> String {
            let ranges: [ClosedRange<UInt32>] = [
                0x20...0xD7FF, 0xE000...0xFFFD, 0x10000...0x10FFFF, 0x20...0x7E, 0x9...0xA,
            ]
            var text = ""
            while text.utf8.count < bytes {
                if let scalar = ranges.randomElement().flatMap({ Unicode.Scalar(UInt32.random(in: $0)) }) {
                    text.unicodeScalars.append(scalar)
                }
            }
            return text
        }
    }
}
