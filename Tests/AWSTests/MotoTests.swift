import Foundation
import HTTPClient
import Infrastructure
import TestSupport
import Testing

@testable import AWS

/// Against the real moto: TEST_MOTO_URL where it is set, else one of our own. moto ignores a repeated ClientToken and
/// refuses no ExternalId; the fault server and the simulator stand in for those.
@Suite("AWS calls, judged by moto", .timeLimit(.minutes(10)), .serialized)
struct MotoTests {
    static let server = Result {
        try ProcessInfo.processInfo.environment["TEST_MOTO_URL"] == nil
            ? ScriptServer(script: ScriptServer.moto, python: "python3.11") : nil
    }

    let client: AWSClient
    let cloud: EC2Cloud
    /// Marks what belongs to this test: the server is shared.
    let mark = "m" + UUID().uuidString.prefix(8).lowercased()

    /// A client of the server that `TEST_MOTO_URL` names, or of one of this run's own.
    static func client() throws -> AWSClient {
        let url = try ProcessInfo.processInfo.environment["TEST_MOTO_URL"] ?? #require(try server.get()).url
        return try AWSClient(
            environment: [
                "AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
                "AWS_SECRET_ACCESS_KEY": "secret",
            ], transport: HTTPTransport())
    }

    init() throws {
        client = try MotoTests.client()
        cloud = EC2Cloud(client: client)
    }

    private func template() async throws -> LaunchTemplate {
        var form = FormParameters()
        form.add("LaunchTemplateName", mark)
        form.add("LaunchTemplateData.ImageId", "ami-12c6146b")
        form.add("LaunchTemplateData.InstanceType", "t3.micro")
        let answer = try await client.xml(.ec2("CreateLaunchTemplate", form), CallOptions())
        return LaunchTemplate(id: try answer.required("launchTemplate", "launchTemplateId"), version: "$Latest")
    }

    private func launch() async throws -> InstanceID {
        let pool = FleetOverride(type: "m5.large", zone: "us-east-1b", subnet: nil)
        let answer = try await cloud.runInstances(
            RunRequest(
                template: try await template(), capacity: .spot, pool: pool, tags: ["mark": mark, "x": "a b&c=*"]),
            token: mark)
        return try #require(answer.launched.first).id
    }

    @Test("the caller is known, and a role with an external id can be assumed")
    func roles() async throws {
        #expect(try await cloud.account() == "123456789012")
        let sessions = RoleSessions(base: client)
        let role = RoleRequest(
            role: "arn:aws:iam::123456789012:role/cloudoptim", externalID: "ext", sessionName: "job-1")
        let identity = try await sessions.client(role, region: "us-east-1").callerIdentity()
        #expect(identity.arn == "arn:aws:sts::123456789012:assumed-role/cloudoptim/job-1")
        #expect(try await client.eksToken(cluster: "c").hasPrefix("k8s-aws-v1."))
    }

    @Test("an instance's life: launched with tags, found by id and tag, tagged, untagged, terminated twice")
    func life() async throws {
        let id = try await launch()
        let found = try #require(try await cloud.instances([id, "i-0000000000000dead"]).first)
        #expect(found.id == id)
        #expect(found.type == "m5.large")
        #expect(found.zone == "us-east-1b")
        #expect(found.capacity == .spot)
        #expect(found.tags["x"] == "a b&c=*")
        #expect(found.launchedAt != nil)
        #expect(try await cloud.instances(tag: "mark", value: mark).map(\.id) == [id])
        #expect(try await cloud.instances(tag: "mark", value: nil).contains { $0.id == id })
        try await cloud.tag([id.rawValue], with: ["more": "1"])
        try await client.deleteTags([id.rawValue], keys: ["x", "absent"])
        let tags = try #require(try await cloud.instances([id]).first).tags
        #expect(tags["more"] == "1")
        #expect(tags["x"] == nil)
        #expect(try await client.describeInstanceStatus().contains { $0.id == id && $0.instanceStatus == "ok" })
        try await cloud.terminate([id, "i-0000000000000dead"])
        #expect(try #require(try await cloud.instances([id]).first).state.isEnding)
        try await cloud.terminate([id])
        try await cloud.terminate(["i-0000000000000dead"])
        let unknown = await #expect(throws: AWSError.self) {
            try await client.describeInstances(ids: ["i-0000000000000dead"])
        }
        #expect(unknown?.code == .notFound)
    }

    @Test("a fleet of one is launched from a choice of pools", arguments: [CapacityType.spot, .onDemand])
    func fleet(capacity: CapacityType) async throws {
        let pools = ["m5.large", "c5.large"].map { FleetOverride(type: $0, zone: "us-east-1a", subnet: nil) }
        let answer = try await cloud.createFleet(
            FleetRequest(template: try await template(), capacity: capacity, overrides: pools, tags: ["mark": mark]),
            token: mark)
        #expect(answer.launched.count == 1)
        let launched = try #require(answer.launched.first)
        #expect(try await cloud.instances([launched.id]).first?.tags["mark"] == mark)
    }

    @Test("a dry run tells whether the call would be allowed, and changes nothing")
    func dryRun() async throws {
        let id = try await launch()
        #expect(try await client.isAllowed { try await client.terminateInstances([id], $0) })
        #expect(try await cloud.instances([id]).first?.state == .running)
    }

    @Test("many instances come page by page")
    func pages() async throws {
        var form = FormParameters()
        form.add("ImageId", "ami-12c6146b")
        form.add("MinCount", "12")
        form.add("MaxCount", "12")
        form.add(tags: ["mark": mark], forNew: ["instance"])
        _ = try await client.xml(.ec2("RunInstances", form), CallOptions())
        let found = try await client.describeInstances(filters: [EC2Filter("tag:mark", [mark])], pageSize: 5)
        #expect(Set(found.map(\.id)).count == 12)
    }

    @Test("spot prices and subnets are read")
    func prices() async throws {
        let prices = try await cloud.spotPrices(types: ["m5.large"], since: Date(timeIntervalSince1970: 0))
        #expect(prices.contains { $0.pool == SpotPool(region: "us-east-1", zone: "us-east-1a", type: "m5.large") })
        #expect(prices.allSatisfy { $0.price == 10 })
        let subnets = try await client.describeSubnets(filters: [EC2Filter("availability-zone", ["us-east-1a"])])
        #expect(subnets.allSatisfy { $0.zone == "us-east-1a" && $0.zoneID != nil && $0.freeAddresses > 0 })
        #expect(!subnets.isEmpty)
    }

    @Test("a volume's life: found, snapshot made and found by tag, deleted twice")
    func volumes() async throws {
        var form = FormParameters()
        form.add("AvailabilityZone", "us-east-1a")
        form.add("Size", "3")
        form.add(tags: ["mark": mark], forNew: ["volume"])
        let id = try await client.xml(.ec2("CreateVolume", form), CallOptions()).required("volumeId")
        let filter = [EC2Filter("tag:mark", [mark])]
        let volume = try #require(try await client.describeVolumes(filters: filter).first)
        #expect(volume.id == id)
        #expect(volume.size == .mebibytes(3_072))
        #expect(volume.state == "available")
        let snapshot = try await client.createSnapshot(volume: id, description: "d", tags: ["mark": mark])
        #expect(try await client.describeSnapshots(filters: filter).map(\.id) == [snapshot.id])
        try await client.deleteVolume(id)
        let gone = await #expect(throws: AWSError.self) { try await client.deleteVolume(id) }
        #expect(gone?.code == .notFound)
    }

    @Test("a queue gives messages, hides them, and forgets the deleted ones")
    func queue() async throws {
        let body = Array("{\"QueueName\":\"\(mark)\"}".utf8)
        let call = ServiceCall(
            service: .sqs, action: "CreateQueue", payload: .json(target: "AmazonSQS.CreateQueue", body: body),
            isRepeatable: true)
        let made = try await client.send(call, CallOptions())
        let url = try #require(try JSONDecoder().decode([String: String].self, from: Data(made.body))["QueueUrl"])
        let queue = SQSQueue(client: client, url: url)
        let bodies = (0..<10).map { "{\"n\":\($0),\"text\":\"é\\n\"}" }
        #expect(try await client.sendMessages(queue: url, bodies: bodies).isEmpty)
        let first = try await queue.receive(max: 10, wait: .seconds(1), visibility: .seconds(60))
        #expect(Set(first.map(\.body)) == Set(bodies))
        #expect(first.allSatisfy { $0.receiveCount == 1 })
        #expect(try await queue.receive(max: 10, wait: .zero, visibility: .seconds(60)).isEmpty)
        try await client.changeMessageVisibility(queue: url, receipt: first[0].receipt, visibility: .zero)
        let again = try await queue.receive(max: 10, wait: .zero, visibility: .seconds(60))
        #expect(again.map(\.id) == [first[0].id])
        #expect(again.first?.receiveCount == 2)
        let failed = try await client.deleteMessages(queue: url, receipts: ["nonsense", again[0].receipt])
        #expect(failed.map(\.index) == [0])
        #expect(try await queue.delete(first.dropFirst().map(\.receipt)) == 0)
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        #expect(try await client.queueAttributes(queue: url, names: names).values.allSatisfy { $0 == "0" })
        let absent = SQSQueue(client: client, url: url + "x")
        let error = await #expect(throws: FarSideError.self) {
            try await absent.receive(max: 1, wait: .zero, visibility: .zero)
        }
        #expect(error?.code == .notFound)
    }

    @Test("an Auto Scaling group: read, resized, and an instance taken out of it")
    func autoScaling() async throws {
        let template = try await template()
        var form = FormParameters()
        form.add("AutoScalingGroupName", mark)
        form.add("MinSize", "0")
        form.add("MaxSize", "5")
        form.add("DesiredCapacity", "2")
        form.add("AvailabilityZones.member", list: ["us-east-1a"])
        form.add("LaunchTemplate.LaunchTemplateId", template.id)
        form.add("LaunchTemplate.Version", template.version)
        form.add("Tags.member.1.Key", "mark")
        form.add("Tags.member.1.Value", mark)
        _ = try await client.xml(.autoScaling("CreateAutoScalingGroup", form), CallOptions())
        let group = try #require(try await client.describeAutoScalingGroups(names: [mark, "absent"]).first)
        #expect(group.desiredCapacity == 2)
        #expect(group.maxSize == 5)
        #expect(group.tags["mark"] == mark)
        let members = try await client.describeAutoScalingInstances(group.instances)
        #expect(members.count == 2)
        #expect(members.allSatisfy { $0.group == mark && $0.lifecycleState == "InService" })
        try await cloud.terminateInAutoScalingGroup(group.instances[0], shrinks: true)
        #expect(try await client.describeAutoScalingGroups(names: [mark]).first?.desiredCapacity == 1)
        try await client.updateAutoScalingGroup(mark, minSize: 1, desiredCapacity: 3)
        #expect(try await client.describeAutoScalingGroups(names: [mark]).first?.instances.count == 3)
    }
}
