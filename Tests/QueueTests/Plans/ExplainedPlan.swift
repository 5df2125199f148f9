import Foundation
import JobQueue

/// A plan as `EXPLAIN (FORMAT JSON)` gives it.
struct ExplainedPlan {
    struct Node {
        var type: String
        var relation: String?
        var index: String?
        var condition: String
        var children: [Node]

        init(_ json: [String: Any]) {
            type = json["Node Type"] as? String ?? "?"
            relation = json["Relation Name"] as? String
            index = json["Index Name"] as? String
            condition = ["Index Cond", "Filter"].compactMap { json[$0] as? String }.joined(separator: " | ")
            children = (json["Plans"] as? [[String: Any]] ?? []).map(Node.init)
        }

        /// This node and all below it.
        var all: [Node] { [self] + children.flatMap(\.all) }
    }

    let root: Node
    /// The whole text, for messages.
    let text: String

    init(_ json: JSONText) throws {
        text = json.text
        let document = try JSONSerialization.jsonObject(with: Data(json.text.utf8)) as? [[String: Any]]
        guard let plan = document?.first?["Plan"] as? [String: Any] else {
            throw QueueError(.invalid, "EXPLAIN gave \(json.text.prefix(200))")
        }
        root = Node(plan)
    }

    /// How the rows of a table are found: `Seq Scan`, `Index Scan job_pkey`, …
    func accesses(to table: String) -> Set<String> {
        var found: Set<String> = []
        for node in root.all where node.relation == table && node.type.hasSuffix("Scan") {
            if node.type == "Bitmap Heap Scan" {
                found.formUnion(node.all.compactMap(\.index).map { "Bitmap Index Scan \($0)" })
            } else {
                found.insert([node.type, node.index].compactMap { $0 }.joined(separator: " "))
            }
        }
        return found
    }

    /// Nodes of a type that have, below them and above any LIMIT, a scan of the table.
    func unbounded(_ type: String, over table: String) -> [Node] {
        func reaches(_ node: Node) -> Bool {
            if node.type == "Limit" { return false }
            return node.relation == table || node.children.contains(where: reaches)
        }
        return root.all.filter { $0.type.hasSuffix(type) && $0.children.contains(where: reaches) }
    }
}
