import Foundation
import HTTPClient
import Infrastructure

extension AWSClient {
    /// Pages that a list of names may have; 100 names each.
    private static let namePagesMax = 100

    private struct NamePage: Decodable, Sendable {
        var clusters: [String]?
        var nodegroups: [String]?
        var nextToken: String?
    }

    /// EKS `ListClusters`: the names of all clusters of the region.
    public func listClusters(_ options: CallOptions = CallOptions()) async throws -> [String] {
        try await names(\.clusters, options) { .eks("ListClusters", method: "GET", path: ["clusters"], query: $0) }
    }

    /// EKS `ListNodegroups`: the names of a cluster's managed node groups.
    public func listNodegroups(
        ofCluster cluster: String, _ options: CallOptions = CallOptions()
    ) async throws -> [String] {
        try await names(\.nodegroups, options) {
            .eks("ListNodegroups", method: "GET", path: ["clusters", cluster, "node-groups"], query: $0)
        }
    }

    private func names(
        _ field: (NamePage) -> [String]?, _ options: CallOptions, _ make: ([(String, String)]) -> ServiceCall
    ) async throws -> [String] {
        var all: [String] = []
        var token: String?
        for _ in 0..<AWSClient.namePagesMax {
            let call = make([("maxResults", "100")] + (token.map { [("nextToken", $0)] } ?? []))
            let page: NamePage = try await json(call, options)
            guard let names = field(page) else { throw AWSClient.malformed(call, "there are no names in it") }
            all += names
            guard let next = page.nextToken, !next.isEmpty else { return all }
            guard next != token else { throw AWSClient.malformed(call, "a page token that came twice") }
            token = next
        }
        throw AWSClient.malformed(make([]), "more than \(AWSClient.namePagesMax) pages")
    }

    private static func malformed(_ call: ServiceCall, _ message: String) -> AWSError {
        AWSError(.malformedAnswer, action: call.title, message: message, mayHaveBeenExecuted: false)
    }

    private func json<Answer: Decodable & Sendable>(_ call: ServiceCall, _ options: CallOptions) async throws -> Answer
    {
        let answer = try await send(call, options)
        return try read(call, answer.body) { try JSONDecoder().decode(Answer.self, from: Data($0)) }
    }

    private struct NodegroupAnswer: Decodable, Sendable {
        struct Nodegroup: Decodable, Sendable {
            struct Scaling: Decodable, Sendable {
                var minSize: Int
                var maxSize: Int
                var desiredSize: Int
            }
            var nodegroupName: String
            var nodegroupArn: String
            var status: String
            var scalingConfig: Scaling
            var tags: [String: String]?
        }
        var nodegroup: Nodegroup
    }

    /// EKS `DescribeNodegroup`.
    /// - Throws: `AWSError` `notFound`.
    public func describeNodegroup(
        _ name: String, ofCluster cluster: String, _ options: CallOptions = CallOptions()
    ) async throws -> NodeGroup {
        let path = ["clusters", cluster, "node-groups", name]
        let answer: NodegroupAnswer = try await json(.eks("DescribeNodegroup", method: "GET", path: path), options)
        let found = answer.nodegroup
        return NodeGroup(
            NodeGroupReference(.managed, cluster: cluster, name: found.nodegroupName), arn: found.nodegroupArn,
            minSize: found.scalingConfig.minSize, maxSize: found.scalingConfig.maxSize,
            desired: found.scalingConfig.desiredSize, tags: found.tags ?? [:],
            isChanging: ["CREATING", "UPDATING", "DELETING"].contains(found.status))
    }

    /// EKS `UpdateNodegroupConfig` of the sizes; the largest stays.
    public func updateNodegroupSize(
        _ name: String, ofCluster cluster: String, minSize: Int, desiredSize: Int,
        _ options: CallOptions = CallOptions()
    ) async throws {
        struct Body: Encodable {
            struct Scaling: Encodable {
                var minSize: Int
                var desiredSize: Int
            }
            var scalingConfig: Scaling
        }
        let body = try AWSClient.encoded(Body(scalingConfig: .init(minSize: minSize, desiredSize: desiredSize)))
        let path = ["clusters", cluster, "node-groups", name, "update-config"]
        // The same sizes a second time change nothing.
        _ = try await send(
            .eks("UpdateNodegroupConfig", method: "POST", path: path, body: body, isRepeatable: true), options)
    }

    /// EKS `TagResource` of one tag.
    public func tagEKSResource(
        _ arn: String, key: String, value: String, _ options: CallOptions = CallOptions()
    ) async throws {
        let body = try AWSClient.encoded(["tags": [key: value]])
        _ = try await send(
            .eks("TagResource", method: "POST", path: ["tags", arn], body: body, isRepeatable: true), options)
    }

    /// EKS `UntagResource` of one tag; one that is not there is no error.
    public func untagEKSResource(_ arn: String, key: String, _ options: CallOptions = CallOptions()) async throws {
        _ = try await send(
            .eks(
                "UntagResource", method: "DELETE", path: ["tags", arn], query: [("tagKeys", key)], isRepeatable: true),
            options)
    }

    private static func encoded(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }
}
