import Foundation
import HTTPClient
import Infrastructure
import TestSupport
import Testing

@testable import AWS

/// What jobs about a whole account read and change, judged by the real moto.
@Suite("An account's volumes, groups and clusters, judged by moto", .timeLimit(.minutes(10)), .serialized)
struct AccountReadTests {
    let client: AWSClient
    let cloud: EC2Cloud
    let mark = "m" + UUID().uuidString.prefix(8).lowercased()

    init() throws {
        client = try MotoTests.client()
        cloud = EC2Cloud(client: client)
    }

    private func volume(_ size: Int = 3) async throws -> String {
        var form = FormParameters()
        form.add("AvailabilityZone", "us-east-1a")
        form.add("Size", String(size))
        form.add("VolumeType", "gp3")
        form.add(tags: ["mark": mark], forNew: ["volume"])
        return try await client.xml(.ec2("CreateVolume", form), CallOptions()).required("volumeId")
    }

    private func launch() async throws -> InstanceID {
        var form = FormParameters()
        form.add("ImageId", "ami-12c6146b")
        form.add("InstanceType", "m5.large")
        form.add("MinCount", "1")
        form.add("MaxCount", "1")
        let answer = try await client.xml(.ec2("RunInstances", form), CallOptions())
        return InstanceID(rawValue: try #require(answer.list("instancesSet").first).string("instanceId") ?? "")
    }

    @Test("volumes are found by state, tag and id; marked and unmarked; a snapshot is found by volume and tag")
    func volumes() async throws {
        let id = try await volume()
        let found = try #require(try await cloud.volumes([id, "vol-00000000000dead00"]).first)
        #expect(found.type == "gp3")
        #expect(found.createdAt != nil)
        #expect(!found.isMultiAttach)
        #expect(try await cloud.volumes(state: "available").contains { $0.id == id })
        #expect(try await cloud.volumes(state: "in-use").contains { $0.id == id } == false)
        try await cloud.tag([id], with: [VolumeTag.mark: "2026-11-23T00:00:00Z"])
        #expect(try await cloud.volumes(tag: VolumeTag.mark).contains { $0.id == id })
        try await cloud.untag([id], keys: [VolumeTag.mark])
        #expect(try await cloud.volumes(tag: VolumeTag.mark).contains { $0.id == id } == false)
        let made = try await cloud.createSnapshot(of: id, description: "d", tags: [VolumeTag.effect: mark])
        let copy = try #require(try await cloud.snapshots(of: [id], tag: VolumeTag.effect).first)
        #expect(copy.id == made.id)
        #expect(copy.isCompleted)
        #expect(copy.tags[VolumeTag.effect] == mark)
        try await cloud.deleteVolume(id)
        let gone = await #expect(throws: FarSideError.self) { try await cloud.deleteVolume(id) }
        #expect(gone?.code == .notFound)
        #expect(try await cloud.volumes([id]).isEmpty)
    }

    @Test("a volume that is attached is not deleted")
    func inUse() async throws {
        let id = try await volume()
        let instance = try await launch()
        var form = FormParameters()
        form.add("VolumeId", id)
        form.add("InstanceId", instance.rawValue)
        form.add("Device", "/dev/sdh")
        _ = try await client.xml(.ec2("AttachVolume", form), CallOptions())
        let found = try #require(try await cloud.volumes([id]).first)
        #expect(found.attachments == [instance])
        #expect(found.state == "in-use")
        let refused = await #expect(throws: FarSideError.self) { try await cloud.deleteVolume(id) }
        #expect(refused?.farCode == "VolumeInUse")
        #expect(refused?.isDefinite == true)
    }

    @Test("pages of volumes are followed to the end")
    func pages() async throws {
        var ids: Set<String> = []
        for _ in 0..<7 { ids.insert(try await volume()) }
        let found = try await client.describeVolumes(filters: [EC2Filter("tag:mark", [mark])], pageSize: 5)
        #expect(Set(found.map(\.id)) == ids)
    }

    @Test("termination protection and instances by state are read")
    func attributes() async throws {
        let id = try await launch()
        let other = try await launch()
        var form = FormParameters()
        form.add("InstanceId", id.rawValue)
        form.add("DisableApiTermination.Value", "true")
        _ = try await client.xml(.ec2("ModifyInstanceAttribute", form), CallOptions())
        #expect(try await cloud.protected([id, other, "i-0000000000000dead"]) == [id])
        #expect(try await cloud.instances(states: [.running]).contains { $0.id == id })
        #expect(try await cloud.instances(states: [.stopped]).contains { $0.id == id } == false)
        #expect(try await cloud.autoScalingGroups(of: [id, other]).isEmpty)
        #expect(try await cloud.persistentlyRequested([id, other]).isEmpty)
    }

    @Test("EKS clusters are listed, page by page, with a signed GET")
    func clusters() async throws {
        for number in 0..<3 {
            let body = """
                {"name":"\(mark)-\(number)","roleArn":"arn:aws:iam::123456789012:role/eks",
                 "resourcesVpcConfig":{"subnetIds":[]}}
                """
            let url = try client.endpoints.url(.eks, region: "us-east-1") + "/clusters"
            let answer = try await client.transport.send(
                HTTPRequest(
                    method: "POST", url: url,
                    headers: [
                        (name: "Content-Type", value: "application/json"),
                        (name: "Authorization", value: AccountReadTests.scope),
                    ], body: Array(body.utf8)))
            #expect(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
        }
        let found = try await cloud.clusterNames()
        #expect((0..<3).allSatisfy { found.contains("\(mark)-\($0)") })
    }

    private static let scope =
        "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260101/us-east-1/eks/aws4_request, SignedHeaders=host, Signature=00"

    @Test("EKS pages and its errors are read as the service writes them")
    func recordedClusters() async throws {
        let server = try ScriptServer([
            Fault(body: #"{"clusters":["a","b"],"nextToken":"t/1="}"#), Fault(body: #"{"clusters":["c"]}"#),
            Fault(
                status: 403,
                body: #"{"__type":"AccessDeniedException","message":"not authorized to perform: eks:ListClusters"}"#),
        ])
        let client = AWSClient(
            transport: HTTPTransport(), credentials: CredentialsSource(SignatureTests.session), region: "us-east-1",
            endpoints: try AWSEndpoints(environment: ["AWS_ENDPOINT_URL": server.url]))
        #expect(try await client.listClusters() == ["a", "b", "c"])
        let refused = await #expect(throws: AWSError.self) { try await client.listClusters() }
        #expect(refused?.code == .unauthorized)
        #expect(refused.map { FarSideError($0).code } == .forbidden)
    }
}
