import Foundation
import HTTPClient
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// What a whole account has too much of, over days of world time: real processes, PostgreSQL, Redis, moto.
    @Suite(
        "An account's life",
        .fleet(clusters: ["land"], nodes: 4, pods: 8, account: "\(Int.random(in: 100...999))000000777"))
    struct AccountTests {
        private static let hour = 3600.0

        /// A call of EC2 in the account, as its owner.
        private func ec2(_ form: [String: String]) async throws -> String {
            let world = try Fleet.current.world
            let cluster = try world.cluster(try Fleet.current.cluster("land"))
            func call(_ service: String, _ key: String, _ form: [String: String]) async throws -> String {
                let body = form.map { "\($0.key)=\(AccountTests.encoded($0.value))" }.joined(separator: "&")
                let answer = try await world.transport.send(
                    HTTPRequest(
                        method: "POST", url: world.file.awsURL + "/",
                        headers: [
                            (name: "Content-Type", value: "application/x-www-form-urlencoded; charset=utf-8"),
                            (
                                name: "Authorization",
                                value: "AWS4-HMAC-SHA256 Credential=\(key)/20260101/us-east-1/\(service)/aws4_request, "
                                    + "SignedHeaders=host, Signature=00"
                            ),
                        ], body: Array(body.utf8), timeout: .seconds(60)))
                let text = String(decoding: answer.body, as: UTF8.self)
                try #require(answer.status == 200, "\(form["Action"] ?? ""): \(text)")
                return text
            }
            let session = try await call(
                "sts", "AKIATEST",
                [
                    "Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": cluster.roleARN,
                    "ExternalId": cluster.externalID, "RoleSessionName": "owner",
                ])
            let key = try #require(session.firstMatch(of: /<AccessKeyId>([A-Z0-9]+)</)).1
            return try await call("ec2", String(key), form.merging(["Version": "2016-11-15"]) { first, _ in first })
        }

        private static func encoded(_ text: String) -> String {
            text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        }

        private func advance(_ seconds: Double) async throws {
            try await Fleet.current.succeed(["simulate", "clock", "advance", "\(seconds)"])
        }

        private func setUp() async throws -> (fleet: Fleet, target: String, name: String) {
            let fleet = try Fleet.current
            let cluster = try fleet.world.cluster(fleet.cluster("land"))
            if try await fleet.number("SELECT count(*) FROM cluster") == 0 {
                let answer = try await fleet.add("land", tenant: "acme")
                try #require(answer.status == 0, "\(answer)")
                _ = try await fleet.rows(
                    """
                    INSERT INTO cluster_policy (cluster_id, version, document, changed_by)
                    VALUES ($1, 1, '{"version":1,"modes":{"volumes":"apply","ghosts":"apply"}}', 'test')
                    """, [.text(cluster.name)])
            }
            return (fleet, "account/acme/\(cluster.account)/\(cluster.region)", cluster.name)
        }

        /// Runs a scan and waits for its end.
        private func scan(_ kind: String, _ target: String) async throws {
            let fleet = try Fleet.current
            let id = try await fleet.enqueue(kind, ["--target", target])
            // A scan that found nothing leaves no row.
            try await eventually("\(kind) ends", within: .seconds(120)) {
                let state = try await fleet.state(of: id)
                return state == nil || state == "done"
            }
        }

        private func snapshots(of volume: String) async throws -> Int {
            let text = try await ec2([
                "Action": "DescribeSnapshots", "Filter.1.Name": "volume-id", "Filter.1.Value.1": volume,
            ])
            return text.matches(of: /<snapshotId>/).count
        }

        @Test(
            "A zombie volume through its seven days: marked, watched, snapshot by a worker that dies, one snapshot, deleted"
        )
        func zombie() async throws {
            let (fleet, target, name) = try await setUp()
            var worker = try await fleet.startRoles()[1]
            let made = try await ec2([
                "Action": "CreateVolume", "AvailabilityZone": "us-east-1a", "Size": "50", "VolumeType": "gp3",
                "TagSpecification.1.ResourceType": "volume",
                "TagSpecification.1.Tag.1.Key": "kubernetes.io/cluster/\(name)",
                "TagSpecification.1.Tag.1.Value": "owned", "TagSpecification.1.Tag.2.Key": "CSIVolumeName",
                "TagSpecification.1.Tag.2.Value": "pvc-gone",
            ])
            let volume = String(try #require(made.firstMatch(of: /<volumeId>(vol-[0-9a-f]+)</)).1)
            func stage() async throws -> String? {
                try await fleet.text("SELECT stage FROM volume_status WHERE volume_id = $1", [.text(volume)])
            }
            try await scan("zombie-volumes", target)
            let marked = try await ec2(["Action": "DescribeVolumes", "VolumeId.1": volume])
            #expect(marked.contains("cloudoptim:first-available"))
            for _ in 0..<3 {
                try await advance(2 * 86_400)
                try await scan("zombie-volumes", target)
            }
            #expect(try await stage() == "marked")
            #expect(try await snapshots(of: volume) == 0)

            // The seventh day: the snapshot is made, its answer is lost, and the worker dies.
            try await advance(86_400 + AccountTests.hour)
            let world = try fleet.world
            try await world.withFault(
                "{\"effect\":\"drop-after\",\"service\":\"ec2\",\"action\":\"CreateSnapshot\",\"count\":1}"
            ) {
                _ = try await fleet.enqueue("zombie-volumes", ["--target", target])
                try await eventually("the snapshot is made", within: .seconds(60)) {
                    try await snapshots(of: volume) == 1
                }
                worker.kill()
            }
            worker = try fleet.start(["worker"])
            try await eventually("the volume is deleted", within: .seconds(240)) {
                try await advance(2 * AccountTests.hour)
                try await scan("zombie-volumes", target)
                return try await ec2([
                    "Action": "DescribeVolumes", "Filter.1.Name": "volume-id", "Filter.1.Value.1": volume,
                ]).contains(volume) == false
            }
            #expect(try await snapshots(of: volume) == 1)
            try await scan("zombie-volumes", target)
            #expect(try await stage() == nil)
            worker.kill()
        }

        @Test("A ghost through its 24 hours: two scans agree, a day passes, it is terminated; the nodes stay")
        func ghost() async throws {
            let (fleet, target, name) = try await setUp()
            let roles = try await fleet.startRoles()
            let made = try await ec2([
                "Action": "RunInstances", "ImageId": "ami-12c6146b", "InstanceType": "m5.large", "MinCount": "1",
                "MaxCount": "1", "TagSpecification.1.ResourceType": "instance",
                "TagSpecification.1.Tag.1.Key": "eks:cluster-name", "TagSpecification.1.Tag.1.Value": name,
            ])
            let ghost = String(try #require(made.firstMatch(of: /<instanceId>(i-[0-9a-f]+)</)).1)
            func state() async throws -> String {
                let text = try await ec2(["Action": "DescribeInstances", "InstanceId.1": ghost])
                return String(text.firstMatch(of: /<instanceState>\s*<code>[0-9]+<\/code>\s*<name>([a-z-]+)</)?.1 ?? "")
            }
            try await advance(2 * AccountTests.hour)
            try await scan("ghost-scan", target)
            for _ in 0..<3 {
                try await advance(7 * AccountTests.hour)
                try await scan("ghost-scan", target)
            }
            let seen = try #require(
                try await fleet.rows(
                    "SELECT ghost_class, scans FROM ghost_status WHERE instance_id = $1", [.text(ghost)]
                ).first)
            #expect(try seen.string(0) == "A")
            #expect(try seen.int(1) >= 4)
            #expect(try await state() == "running")
            try await advance(4 * AccountTests.hour)
            try await scan("ghost-scan", target)
            #expect(["shutting-down", "terminated"].contains(try await state()))
            let nodes = try await fleet.world.state(name).nodes(of: name)
            #expect(nodes.count == 4)
            #expect(nodes.allSatisfy { $0.terminatedAt == nil })
            for role in roles { role.kill() }
        }

        @Test(
            "clusters check tells which features the permissions allow, and set-credential replaces a token that works")
        func check() async throws {
            let (fleet, _, name) = try await setUp()
            let world = try fleet.world
            struct Line: Decodable {
                var check: String
                var ok: String
                var detail: String
            }
            let answer = try await fleet.run(["clusters", "check", name, "--output", "json"])
            let lines: [Line] = try answer.json()
            #expect(lines.contains { $0.check == "aws: external id" && $0.ok == "yes" }, "\(answer)")
            #expect(lines.contains { $0.check == "feature: volumes" && $0.ok == "yes" }, "\(answer)")
            #expect(answer.status == 0, "\(answer)")

            // The token of the role that only looks: everything that acts in the cluster is off.
            let file = "\(fleet.directory)/token"
            try "\(name)-read".write(toFile: file, atomically: true, encoding: .utf8)
            try await fleet.succeed(["clusters", "set-credential", name, "--token-file", file])
            let looks = try await fleet.run(["clusters", "check", name])
            #expect(looks.output.contains("it only looks: missing"), "\(looks)")
            #expect(looks.output.contains("verbs: [patch]"), "\(looks)")
            try "nonsense".write(toFile: file, atomically: true, encoding: .utf8)
            let refused = try await fleet.run(["clusters", "set-credential", name, "--token-file", file])
            #expect(refused.status != 0)
            try await fleet.succeed(["clusters", "set-credential", name, "--kubeconfig", world.kubeconfig(name)])
            #expect(try await fleet.run(["clusters", "check", name]).status == 0)
        }
    }
}
