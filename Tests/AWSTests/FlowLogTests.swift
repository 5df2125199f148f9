import Foundation
import HTTPClient
import Infrastructure
import TestSupport
import Testing

@testable import AWS

/// VPC flow logs and their records, judged by the real moto.
@Suite("Flow logs, judged by moto", .timeLimit(.minutes(10)), .serialized)
struct FlowLogTests {
    let client: AWSClient
    let cloud: EC2Cloud
    let mark = "f" + UUID().uuidString.prefix(8).lowercased()

    init() throws {
        client = try MotoTests.client()
        cloud = EC2Cloud(client: client)
    }

    private func logs(_ action: String, _ body: String) async throws {
        let call = ServiceCall(
            service: .logs, action: action,
            payload: .json(target: "Logs_20140328.\(action)", body: Array(body.utf8)), isRepeatable: false)
        _ = try await client.send(call, CallOptions())
    }

    private func flowLog(of resource: String, _ type: String, group: String, traffic: String) async throws -> String {
        var form = FormParameters()
        form.add("ResourceId", list: [resource])
        form.add("ResourceType", type)
        form.add("TrafficType", traffic)
        form.add("LogGroupName", group)
        form.add("DeliverLogsPermissionArn", "arn:aws:iam::123456789012:role/flow")
        let answer = try await client.xml(.ec2("CreateFlowLogs", form), CallOptions())
        return try #require(answer.list("flowLogIdSet").first).text
    }

    @Test(
        "the logs of a subnet and of its VPC are found, those of refused traffic are not; records are read page by page"
    )
    func found() async throws {
        let subnet = try #require(try await client.describeSubnets().first)
        for name in ["vpc", "refused", "subnet"] {
            try await logs("CreateLogGroup", #"{"logGroupName":"\#(mark)-\#(name)"}"#)
        }
        let whole = try await flowLog(of: subnet.vpc, "VPC", group: "\(mark)-vpc", traffic: "ALL")
        _ = try await flowLog(of: subnet.vpc, "VPC", group: "\(mark)-refused", traffic: "REJECT")
        let part = try await flowLog(of: subnet.id, "Subnet", group: "\(mark)-subnet", traffic: "ACCEPT")
        let found = try await cloud.flowLogs(ofSubnets: [subnet.id]).filter { log in
            if case .logGroup(let group) = log.place { group.hasPrefix(mark) } else { false }
        }
        #expect(Set(found.map(\.id)) == [whole, part])
        #expect(found.allSatisfy { $0.format.contains("${srcaddr}") })
        #expect(try await cloud.flowLogs(ofSubnets: []).isEmpty)

        let log = try #require(found.first { $0.id == whole })
        let start = Date(timeIntervalSince1970: 1_700_000_000)
        try await logs("CreateLogStream", #"{"logGroupName":"\#(mark)-vpc","logStreamName":"eni-1"}"#)
        let now = Int64(Date().timeIntervalSince1970 * 1000)
        let events = (0..<3).map { #"{"timestamp":\#(now + Int64($0)),"message":"line \#($0)"}"# }.joined(
            separator: ",")
        try await logs(
            "PutLogEvents", #"{"logGroupName":"\#(mark)-vpc","logStreamName":"eni-1","logEvents":[\#(events)]}"#)
        var lines: [String] = []
        var token: String?
        for _ in 0..<10 {
            let page = try await cloud.flowRecords(
                log, from: start, until: Date().addingTimeInterval(60), token: token)
            lines += page.lines
            token = page.next
            if token == nil { break }
        }
        #expect(lines == ["line 0", "line 1", "line 2"])
        let gone = FlowLogSource(id: "fl-x", place: .logGroup("\(mark)-absent"), format: "")
        let error = await #expect(throws: FarSideError.self) {
            try await cloud.flowRecords(gone, from: start, until: start.addingTimeInterval(1), token: nil)
        }
        #expect(error?.code == .notFound)
    }
}
