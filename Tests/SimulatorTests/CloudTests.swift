import Foundation
import HTTPClient
import TestSupport
import Testing

@testable import Simulator

@Suite("The AWS endpoint in front of moto", SimulatorScope(), .serialized)
struct CloudTests {
    private func simulator() throws -> RunningSimulator { try #require(RunningSimulator.current) }

    private func launch(_ token: String, type: String = "m5.large", count: Int = 1) -> [String: String] {
        [
            "Action": "RunInstances", "MinCount": String(count), "MaxCount": String(count), "ImageId": "ami-12c6146b",
            "InstanceType": type, "ClientToken": token, "InstanceMarketOptions.MarketType": "spot",
            "TagSpecification.1.ResourceType": "instance", "TagSpecification.1.Tag.1.Key": "kubernetes.io/cluster/blue",
            "TagSpecification.1.Tag.1.Value": "owned", "TagSpecification.1.Tag.2.Key": "cloudoptim.io/pool",
            "TagSpecification.1.Tag.2.Value": "default", "TagSpecification.1.Tag.3.Key": "token",
            "TagSpecification.1.Tag.3.Value": token,
        ]
    }

    /// Ids that moto itself, not the simulator, has for a tag.
    private func idsInMoto(_ key: String, _ value: String) async throws -> [String] {
        let simulator = try simulator()
        let response = try await simulator.ec2(
            ["Action": "DescribeInstances", "Filter.1.Name": "tag:" + key, "Filter.1.Value.1": value],
            at: simulator.motoURL)
        return AWSGateway.instances(in: response.body, clientToken: nil).map(\.id)
    }

    private func code(_ response: HTTPResponse) -> String? { XMLText.contents(of: "Code", in: response.body).first }

    @Test("ten calls at once with one ClientToken launch one instance, which becomes a node")
    func idempotentLaunch() async throws {
        let simulator = try simulator()
        let parameters = launch("token-ten")
        let ids = try await withThrowingTaskGroup(of: String?.self) { group in
            for _ in 0..<10 {
                group.addTask { XMLText.contents(of: "instanceId", in: try await simulator.ec2(parameters).body).first }
            }
            return try await group.reduce(into: Set<String?>()) { $0.insert($1) }
        }
        #expect(ids.count == 1)
        #expect(try await idsInMoto("token", "token-ten").count == 1)
        let other = try await simulator.ec2(launch("token-ten", type: "m5.xlarge"))
        #expect(other.status == 400)
        #expect(code(other) == "IdempotentParameterMismatch")
        let id = try #require(ids.first ?? nil)
        try await eventually("the node joins", within: .seconds(60)) {
            try await simulator.control("GET", "state")["nodes"].array.first { $0["instanceID"].string == id }
        }
        let log = try await simulator.control("GET", "log?action=RunInstances&clientToken=token-ten")["entries"].array
        #expect(log.count { $0["executed"] == true } == 1)
        #expect(log.count { $0["outcome"] == "replayed" } == 9)
    }

    private func fleet(_ token: String, types: [String], spot: Bool = true) async throws -> HTTPResponse {
        let simulator = try simulator()
        var parameters = [
            "Action": "CreateFleet", "Type": "instant", "ClientToken": token,
            "TargetCapacitySpecification.TotalTargetCapacity": "1",
            "TargetCapacitySpecification.DefaultTargetCapacityType": spot ? "spot" : "on-demand",
            "LaunchTemplateConfigs.1.LaunchTemplateSpecification.LaunchTemplateName": "cloudoptim-blue",
            "LaunchTemplateConfigs.1.LaunchTemplateSpecification.Version": "$Latest",
            "TagSpecification.1.ResourceType": "instance", "TagSpecification.1.Tag.1.Key": "token",
            "TagSpecification.1.Tag.1.Value": token,
        ]
        for (index, type) in types.enumerated() {
            parameters["LaunchTemplateConfigs.1.Overrides.\(index + 1).InstanceType"] = type
            parameters["LaunchTemplateConfigs.1.Overrides.\(index + 1).AvailabilityZone"] = "us-east-1b"
        }
        return try await simulator.ec2(parameters)
    }

    @Test("a fleet tells which pools had no capacity and launches in one that has")
    func fleetCapacity() async throws {
        let simulator = try simulator()
        _ = try await simulator.control("POST", "faults", ["effect": "no-capacity", "instanceType": "c5.large"])
        let response = try await fleet("fleet-1", types: ["c5.large", "r5.4xlarge"])
        #expect(response.status == 200)
        #expect(XMLText.contents(of: "errorCode", in: response.body) == ["UnfulfillableCapacity"])
        #expect(XMLText.contents(of: "instanceIds", in: response.body).count == 1)
        let again = try await fleet("fleet-1", types: ["c5.large", "r5.4xlarge"])
        #expect(again.body == response.body)
        #expect(try await idsInMoto("token", "fleet-1").count == 1)
        let nothing = try await fleet("fleet-2", types: ["c5.large"])
        #expect(nothing.status == 200)
        #expect(XMLText.contents(of: "instanceIds", in: nothing.body).isEmpty)
        #expect(code(try await fleet("fleet-2", types: ["c5.large"], spot: false)) == "IdempotentParameterMismatch")
        _ = try await simulator.control("DELETE", "faults")
    }

    @Test("a reply that is dropped after acting leaves one execution behind, found again by its token")
    func droppedReply() async throws {
        let simulator = try simulator()
        _ = try await simulator.control(
            "POST", "faults", ["effect": "drop-after", "action": "RunInstances", "count": 1])
        await #expect(throws: HTTPClient.HTTPError.self) { try await simulator.ec2(launch("token-drop")) }
        let second = try await simulator.ec2(launch("token-drop"))
        #expect(second.status == 200)
        #expect(try await idsInMoto("token", "token-drop") == XMLText.contents(of: "instanceId", in: second.body))
        _ = try await simulator.control(
            "POST", "faults", ["effect": "drop-before", "action": "RunInstances", "count": 1])
        await #expect(throws: HTTPClient.HTTPError.self) { try await simulator.ec2(launch("token-before")) }
        #expect(try await idsInMoto("token", "token-before").isEmpty)
    }

    @Test(
        "AWS faults answer with the code of the real service",
        arguments: [
            ("throttle", "RequestLimitExceeded"), ("unauthorized", "UnauthorizedOperation"),
            ("expired-token", "RequestExpired"),
        ])
    func refusals(effect: String, expected: String) async throws {
        let simulator = try simulator()
        _ = try await simulator.control("POST", "faults", ["effect": .string(effect), "service": "ec2", "count": 1])
        #expect(code(try await simulator.ec2(["Action": "DescribeInstances"])) == expected)
        #expect(try await simulator.ec2(["Action": "DescribeInstances"]).status == 200)
    }

    @Test("spot prices change a few times a day, stay below on-demand, and include the one in force at the start")
    func spotPrices() async throws {
        let now = Date()
        let response = try await simulator().ec2([
            "Action": "DescribeSpotPriceHistory", "InstanceType.1": "m5.large", "AvailabilityZone": "us-east-1a",
            "StartTime": Timestamp.milliseconds(now.addingTimeInterval(-7 * 86400)),
        ])
        let prices = XMLText.contents(of: "spotPrice", in: response.body).compactMap { Double($0) }
        let times = XMLText.contents(of: "timestamp", in: response.body).compactMap(Timestamp.parse)
        #expect((20...35).contains(prices.count))
        #expect(prices.allSatisfy { $0 > 0.01 && $0 < 0.096 })
        #expect(times == times.sorted(by: >))
        #expect(try #require(times.last) < now.addingTimeInterval(-7 * 86400))
    }

    @Test("a spot warning reaches the queue, and at its deadline the instance and what runs on it are gone")
    func interruption() async throws {
        let simulator = try simulator()
        let world = try await simulator.control("GET", "world")["clusters"].array[0]
        let answer = try await simulator.control(
            "POST", "interrupt", ["cluster": "blue", "count": 1, "duplicate": true])
        let interrupted = try #require(answer["interrupted"].array.first)
        let id = try #require(interrupted["instanceID"].string)
        let received = try await simulator.sqs(
            "ReceiveMessage", ["QueueUrl": world["queueURL"], "MaxNumberOfMessages": 10])
        let bodies = try received["Messages"].array.map { try JSONValue(parsing: $0["Body"].string ?? "") }
        #expect(bodies.count == 2)
        #expect(bodies.allSatisfy { $0["detail"]["instance-id"].string == id && $0["id"] == interrupted["eventID"] })
        let sent = try #require(bodies.first?["time"].string.flatMap(Timestamp.parse))
        #expect(interrupted["deadline"].string.flatMap(Timestamp.parse) == sent.addingTimeInterval(120))
        _ = try await simulator.control("POST", "clock/advance", ["seconds": 121])
        let record = try await eventually("the instance ends", within: .seconds(60)) {
            try await simulator.control("GET", "state")["nodes"].array.first {
                $0["instanceID"].string == id && !$0["terminatedAt"].isNull
            }
        }
        #expect(record["abruptPodDeaths"].array.count == record["podsAtInterruption"].int)
        let state = try await eventually("moto ends it too", within: .seconds(60)) { () -> String? in
            let body = try await simulator.ec2(
                ["Action": "DescribeInstances", "InstanceId.1": id], at: simulator.motoURL
            ).body
            return XMLText.contents(of: "instanceState", in: body).first { $0.contains("terminated") }
        }
        #expect(state.contains("48"))
        #expect(try await simulator.control("GET", "state")["pdbViolations"].array.isEmpty)
    }

    @Test("a group replaces the instance that is taken from it, and the new one joins as a node")
    func autoScaling() async throws {
        let simulator = try simulator()
        let nodes = try await simulator.control("GET", "state")["nodes"].array
        let node = try #require(nodes.first { $0["owner"] == "auto-scaling-group" && $0["terminatedAt"].isNull })
        let link = CloudLink(motoURL: simulator.awsURL)
        _ = try await link.query(
            "autoscaling", region: "us-east-1", accessKey: "AKIATEST", version: "2011-01-01",
            [
                "Action": "TerminateInstanceInAutoScalingGroup", "InstanceId": node["instanceID"].string ?? "",
                "ShouldDecrementDesiredCapacity": "false",
            ])
        let known = Set(nodes.compactMap { $0["instanceID"].string })
        let joined = try await eventually("the group's new node", within: .seconds(60)) {
            try await simulator.control("GET", "state")["nodes"].array.first {
                !known.contains($0["instanceID"].string ?? "")
            }
        }
        #expect(joined["owner"] == "auto-scaling-group")
    }

    @Test("AssumeRole wants the external id of the role")
    func externalID() async throws {
        let simulator = try simulator()
        let link = CloudLink(motoURL: simulator.awsURL)
        func assume(_ externalID: String?) async throws -> String? {
            var parameters = ["Action": "AssumeRole", "RoleArn": simulator.plan.roleARN, "RoleSessionName": "job-1"]
            parameters["ExternalId"] = externalID
            let body = try await link.query(
                "sts", region: "us-east-1", accessKey: "AKIATEST", version: "2011-06-15", parameters)
            return XMLText.contents(of: "AccessKeyId", in: body).first
        }
        #expect(try await assume(simulator.plan.externalID) != nil)
        for wrong in [nil, "wrong"] {
            let error = await #expect(throws: AWSError.self) { try await assume(wrong) }
            #expect(error?.code == "AccessDenied")
        }
    }

    @Test("malformed control requests are told what is wrong")
    func badControl() async throws {
        let simulator = try simulator()
        for (path, body) in [
            ("faults", ["effect": "melt"]), ("interrupt", ["cluster": "red"]),
            ("interrupt", ["cluster": "blue", "kind": "flood"]),
            ("clock/advance", ["seconds": -1]), ("nothing", .object([:])),
        ] as [(String, JSONValue)] {
            await #expect(throws: APIStatus.self) { try await simulator.control("POST", path, body) }
        }
    }
}
