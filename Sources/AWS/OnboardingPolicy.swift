import Foundation
import Infrastructure

/// The policy that a customer's role needs; docker/onboarding holds the same documents.
public enum OnboardingPolicy {
    private struct Document: Decodable {
        var Statement: [Statement]
    }

    private struct Statement: Decodable {
        var Sid: String
        var Action: OneOrMany
    }

    private struct OneOrMany: Decodable {
        var values: [String]

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            do { values = [try container.decode(String.self)] } catch is DecodingError {
                values = try container.decode([String].self)
            }
        }
    }

    /// The whole policy of the role that acts, or of the one that only looks, as JSON with `${ClusterName}`, `${Region}`,
    /// `${Partition}`, `${Account}` and `${NodeRole}` left open.
    public static func document(acts: Bool) -> String {
        String(decoding: acts ? PackageResources.act_json : PackageResources.read_only_json, as: UTF8.self)
    }

    /// The statements that grant these actions, as JSON for one cluster; what is not known here stays open.
    public static func statements(granting actions: Set<String>, for cluster: ClusterRegistration) throws -> String {
        let data = Data(document(acts: true).utf8)
        let wanted = try JSONDecoder().decode(Document.self, from: data).Statement.filter {
            !actions.isDisjoint(with: $0.Action.values)
        }.map(\.Sid)
        let all = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        let statements = (all?["Statement"] as? [[String: Any]] ?? []).filter {
            wanted.contains($0["Sid"] as? String ?? "")
        }
        let text = try JSONSerialization.data(
            withJSONObject: statements, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        let partition = cluster.region.hasPrefix("cn-") ? "aws-cn" : "aws"
        return [
            ("${ClusterName}", cluster.name), ("${Region}", cluster.region), ("${Account}", cluster.account),
            ("${Partition}", partition),
        ].reduce(String(decoding: text, as: UTF8.self)) { $0.replacingOccurrences(of: $1.0, with: $1.1) }
    }

    /// The actions that a policy of ours grants.
    static func actions(acts: Bool) throws -> Set<String> {
        let document = try JSONDecoder().decode(Document.self, from: Data(document(acts: acts).utf8))
        return Set(document.Statement.flatMap(\.Action.values))
    }
}
