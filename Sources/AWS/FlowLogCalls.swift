import Foundation
import HTTPClient
import Infrastructure

extension AWSClient {
    /// `DescribeFlowLogs` of these VPCs, subnets and interfaces: those that are active, deliver to CloudWatch Logs and write down
    /// traffic that went through.
    public func describeFlowLogs(
        of resources: [String], _ options: CallOptions = CallOptions()
    ) async throws -> [FlowLogSource] {
        guard !resources.isEmpty else { return [] }
        var form = FormParameters()
        form.add(filters: [EC2Filter("resource-id", resources)])
        return try await pages("DescribeFlowLogs", form, pageSize: 1_000, options) { tree in
            try tree.list("flowLogSet").compactMap { item in
                guard item.string("flowLogStatus") == "ACTIVE", item.string("trafficType") != "REJECT",
                    item.string("logDestinationType") ?? "cloud-watch-logs" == "cloud-watch-logs",
                    let group = item.string("logGroupName"), let format = item.string("logFormat")
                else { return nil }
                return FlowLogSource(id: try item.required("flowLogId"), logGroup: group, format: format)
            }
        }
    }

    private struct FilterBody: Encodable {
        var logGroupName: String
        var startTime: Int64
        var endTime: Int64
        var limit: Int
        var nextToken: String?
    }

    private struct FilterAnswer: Decodable, Sendable {
        struct Event: Decodable, Sendable { var message: String? }
        var events: [Event]?
        var nextToken: String?
    }

    /// One page of `FilterLogEvents` without a filter: what was written in these times, at most 10,000 records or 1 MiB.
    public func logPage(
        group: String, from: Date, until: Date, token: String?, _ options: CallOptions = CallOptions()
    ) async throws -> FlowLogPage {
        func milliseconds(_ date: Date) -> Int64 { Int64((date.timeIntervalSince1970 * 1000).rounded(.down)) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let body = try encoder.encode(
            FilterBody(
                logGroupName: group, startTime: milliseconds(from), endTime: milliseconds(until), limit: 10_000,
                nextToken: token))
        let call = ServiceCall(
            service: .logs, action: "FilterLogEvents",
            payload: .json(target: "Logs_20140328.FilterLogEvents", body: Array(body)), isRepeatable: true,
            attemptTimeout: .seconds(30))
        let answer = try await send(call, options)
        return try read(call, answer.body) { bytes in
            let page = try JSONDecoder().decode(FilterAnswer.self, from: Data(bytes))
            return FlowLogPage(
                lines: (page.events ?? []).compactMap(\.message), next: page.nextToken.flatMap { $0.isEmpty ? nil : $0 }
            )
        }
    }
}
