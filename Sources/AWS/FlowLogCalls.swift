import Foundation
import HTTPClient
import Infrastructure

extension AWSClient {
    /// `DescribeFlowLogs` of these VPCs, subnets and interfaces: those that are active, deliver to CloudWatch Logs or S3 and write
    /// down traffic that went through.
    /// - Parameter account: whose logs they are, 12 digits: it is part of the keys in S3.
    public func describeFlowLogs(
        of resources: [String], account: String, _ options: CallOptions = CallOptions()
    ) async throws -> [FlowLogSource] {
        guard !resources.isEmpty else { return [] }
        var form = FormParameters()
        form.add(filters: [EC2Filter("resource-id", resources)])
        return try await pages("DescribeFlowLogs", form, pageSize: 1_000, options) { tree in
            try tree.list("flowLogSet").compactMap { item in
                guard item.string("flowLogStatus") == "ACTIVE", item.string("trafficType") != "REJECT",
                    let format = item.string("logFormat")
                else { return nil }
                let id = try item.required("flowLogId")
                switch item.string("logDestinationType") ?? "cloud-watch-logs" {
                case "cloud-watch-logs":
                    return item.string("logGroupName").map {
                        FlowLogSource(id: id, place: .logGroup($0), format: format)
                    }
                case "s3":
                    return flowLogBucket(of: id, item, account: account).map {
                        FlowLogSource(id: id, place: .bucket($0), format: format)
                    }
                default: return nil
                }
            }
        }
    }

    /// Where a flow log's objects are; nil: its destination is no bucket's ARN.
    func flowLogBucket(of id: String, _ item: XMLTree, account: String) -> FlowLogBucket? {
        guard let arn = item.string("logDestination"),
            let place = arn.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false).last,
            arn.hasPrefix("arn:")
        else { return nil }
        let parts = place.split(separator: "/", maxSplits: 1)
        guard let name = parts.first, !name.contains(":") else { return nil }
        let folder = parts.count > 1 ? String(parts[1]) : ""
        let options = item["destinationOptions"]
        let isHive = options?.string("hiveCompatiblePartitions") == "true"
        let logs =
            isHive
            ? "AWSLogs/aws-account-id=\(account)/aws-service=vpcflowlogs/aws-region=\(region)/"
            : "AWSLogs/\(account)/vpcflowlogs/\(region)/"
        return FlowLogBucket(
            name: String(name), root: (folder.isEmpty || folder.hasSuffix("/") ? folder : folder + "/") + logs,
            file: "\(account)_vpcflowlogs_\(region)_\(id)_", isHive: isHive,
            isHourly: options?.string("perHourPartition") == "true")
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
