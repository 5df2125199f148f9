import Foundation
import HTTPClient
import Infrastructure
import TestSupport
import Testing

@testable import AWS

/// Groups of nodes by their owners' APIs, judged by the real moto.
@Suite("Groups of nodes, judged by moto", .timeLimit(.minutes(10)), .serialized)
struct NodeGroupTests {
    let client: AWSClient
    let cloud: EC2Cloud
    let mark = "g" + UUID().uuidString.prefix(8).lowercased()

    init() throws {
        client = try MotoTests.client()
        cloud = EC2Cloud(client: client)
    }

    private func autoScalingGroup(_ name: String, tags: [String: String]) async throws {
        var template = FormParameters()
        template.add("LaunchTemplateName", name)
        template.add("LaunchTemplateData.ImageId", "ami-12c6146b")
        template.add("LaunchTemplateData.InstanceType", "t3.micro")
        _ = try await client.xml(.ec2("CreateLaunchTemplate", template), CallOptions())
        var form = FormParameters()
        form.add("AutoScalingGroupName", name)
        form.add("MinSize", "1")
        form.add("MaxSize", "5")
        form.add("DesiredCapacity", "3")
        form.add("AvailabilityZones.member", list: ["us-east-1a"])
        form.add("LaunchTemplate.LaunchTemplateName", name)
        for (index, tag) in tags.sorted(by: { $0.key < $1.key }).enumerated() {
            form.add("Tags.member.\(index + 1).Key", tag.key)
            form.add("Tags.member.\(index + 1).Value", tag.value)
        }
        _ = try await client.xml(.autoScaling("CreateAutoScalingGroup", form), CallOptions())
    }

    /// moto fails on a cluster that it does not know where EKS says that it is not found.
    private func cluster() async throws {
        let body =
            #"{"name":"\#(mark)","roleArn":"arn:aws:iam::123456789012:role/eks","resourcesVpcConfig":{"subnetIds":[]}}"#
        _ = try await client.send(
            .eks("CreateCluster", method: "POST", path: ["clusters"], body: Array(body.utf8)), CallOptions())
    }

    private func nodegroup(_ name: String) async throws {
        let role = "arn:aws:iam::123456789012:role/eks"
        try await cluster()
        let body =
            #"{"nodegroupName":"\#(name)","nodeRole":"\#(role)","subnets":["subnet-1"],"scalingConfig":"#
            + #"{"minSize":2,"maxSize":6,"desiredSize":4}}"#
        _ = try await client.send(
            .eks("CreateNodegroup", method: "POST", path: ["clusters", mark, "node-groups"], body: Array(body.utf8)),
            CallOptions())
    }

    @Test("an Auto Scaling group of the cluster is found by its tag, marked, sized down and up, and unmarked")
    func autoScaling() async throws {
        try await cluster()
        let tag = "kubernetes.io/cluster/\(mark)"
        try await autoScalingGroup("\(mark)-a", tags: [tag: "owned"])
        try await autoScalingGroup("\(mark)-b", tags: [tag: "owned", "eks:nodegroup-name": "general"])
        try await autoScalingGroup("\(mark)-c", tags: ["kubernetes.io/cluster/another": "owned"])
        let reference = NodeGroupReference(.autoScaling, name: "\(mark)-a")
        let found = try await cloud.nodeGroups(ofCluster: mark)
        // The group behind a managed node group is left to EKS; a cluster that EKS does not know has no managed ones.
        #expect(found.map(\.reference) == [reference])
        let group = try #require(found.first)
        #expect(group.minSize == 1 && group.desired == 3 && group.maxSize == 5 && group.instances.count == 3)
        try await cloud.mark(group, "3/1@2026-11-24T17:00:00Z")
        try await cloud.resize(group, minSize: 0, desired: 0)
        let asleep = try #require(try await cloud.nodeGroup(reference))
        #expect(asleep.mark?.original == 3 && asleep.mark?.minSize == 1)
        #expect(asleep.minSize == 0 && asleep.desired == 0 && asleep.instances.isEmpty)
        // Instances do not inherit the tag, and the others stay.
        #expect(asleep.tags[tag] == "owned")
        try await cloud.resize(asleep, minSize: 1, desired: 3)
        try await cloud.mark(asleep, nil)
        try await cloud.mark(asleep, nil)
        let awake = try #require(try await cloud.nodeGroup(reference))
        #expect(awake.mark == nil && awake.desired == 3 && awake.instances.count == 3)
        #expect(try await cloud.nodeGroup(NodeGroupReference(.autoScaling, name: "\(mark)-x")) == nil)
    }

    @Test("a managed node group is listed, marked by its ARN, sized and unmarked, over signed REST calls")
    func managed() async throws {
        try await nodegroup("general")
        let reference = NodeGroupReference(.managed, cluster: mark, name: "general")
        let group = try #require(try await cloud.nodeGroups(ofCluster: mark).first)
        #expect(group.reference == reference)
        #expect(group.minSize == 2 && group.desired == 4 && group.maxSize == 6 && !group.isChanging)
        #expect(group.arn?.contains(":nodegroup/\(mark)/general/") == true)
        try await cloud.resize(group, minSize: 1, desired: 1)
        let asleep = try #require(try await cloud.nodeGroup(reference))
        #expect(asleep.minSize == 1 && asleep.desired == 1 && asleep.maxSize == 6)
        // moto tags clusters alone: the same call, with the cluster's ARN; the simulator's own tags are the system tests'.
        var cluster = group
        cluster.arn = "arn:aws:eks:us-east-1:123456789012:cluster/\(mark)"
        func tags() async throws -> String {
            let call = ServiceCall.eks("DescribeCluster", method: "GET", path: ["clusters", mark])
            return String(decoding: try await client.send(call, CallOptions()).body, as: UTF8.self)
        }
        try await cloud.mark(cluster, "4/2@2026-11-24T17:00:00Z")
        #expect(try await tags().contains("4/2@2026-11-24T17:00:00Z"))
        try await cloud.mark(cluster, nil)
        #expect(try await !tags().contains("cloudoptim.io/asleep"))
        #expect(try await cloud.nodeGroup(NodeGroupReference(.managed, cluster: mark, name: "absent")) == nil)
    }

    @Test("a node group that EKS is changing is a conflict, and so is no failure of the job")
    func busy() async throws {
        let server = try ScriptServer([
            Fault(status: 409, body: #"{"__type":"ResourceInUseException","message":"Nodegroup is being updated"}"#)
        ])
        let client = AWSClient(
            transport: HTTPTransport(), credentials: CredentialsSource(SignatureTests.session), region: "us-east-1",
            endpoints: try AWSEndpoints(environment: ["AWS_ENDPOINT_URL": server.url]))
        let group = NodeGroup(
            NodeGroupReference(.managed, cluster: "c", name: "g"), arn: "arn:x", minSize: 1, maxSize: 3, desired: 2)
        let error = await #expect(throws: FarSideError.self) {
            try await EC2Cloud(client: client).resize(group, minSize: 1, desired: 1)
        }
        #expect(error?.code == .conflict)
    }

    @Test("what could not be looked for is said with the permissions that hang on it")
    func preflight() async throws {
        // Looks at instances and volumes are refused, everything else as well.
        let server = try ScriptServer(
            [
                Fault(
                    status: 403,
                    body: "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error>"
                        + "</Errors></Response>")
            ])
        let client = AWSClient(
            transport: HTTPTransport(), credentials: CredentialsSource(SignatureTests.session), region: "us-east-1",
            endpoints: try AWSEndpoints(environment: ["AWS_ENDPOINT_URL": server.url]))
        let cluster = ClusterRegistration(
            id: "prod", tenant: "acme", name: "prod-eks", account: "123456789012", region: "us-east-1",
            endpoint: "https://k8s.example")
        let answers = try await EC2Cloud(client: client).permissions(of: cluster)
        let terminate = try #require(answers.first { $0.name == "ec2:TerminateInstances" })
        #expect(terminate.outcome == .unknown)
        #expect(terminate.detail.contains("instance to ask about could be looked for: UnauthorizedOperation"))
        let tags = try #require(answers.first { $0.name == "ec2:CreateTags" })
        #expect(tags.detail.contains("volume to ask about could be looked for: UnauthorizedOperation"))
    }
}
