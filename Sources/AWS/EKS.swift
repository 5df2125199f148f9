import Foundation
import HTTPClient

extension AWSClient {
    /// Pages that a list of clusters may have; 100 names each.
    private static let clusterPagesMax = 100

    private struct ClusterPage: Decodable, Sendable {
        var clusters: [String]
        var nextToken: String?
    }

    /// EKS `ListClusters`: the names of all clusters of the region.
    public func listClusters(_ options: CallOptions = CallOptions()) async throws -> [String] {
        var all: [String] = []
        var token: String?
        for _ in 0..<AWSClient.clusterPagesMax {
            let query = [("maxResults", "100")] + (token.map { [("nextToken", $0)] } ?? [])
            let call = ServiceCall.eks("ListClusters", method: "GET", path: "/clusters", query: query)
            let answer = try await send(call, options)
            let page = try read(call, answer.body) { try JSONDecoder().decode(ClusterPage.self, from: Data($0)) }
            all += page.clusters
            guard let next = page.nextToken, !next.isEmpty else { return all }
            guard next != token else { break }
            token = next
        }
        throw AWSError(
            .malformedAnswer, action: "eks ListClusters",
            message: "a page token that came twice, or more than \(AWSClient.clusterPagesMax) pages",
            mayHaveBeenExecuted: false)
    }
}
