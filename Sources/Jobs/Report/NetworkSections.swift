import Foundation
import Infrastructure
import Optimizer

extension ReportSections {
    /// Nodes that a cheaper type could carry.
    static func nodeSizes(_ question: ReportQuestion) throws -> ReportSection {
        let snapshot = question.snapshot
        let swaps = PackingPlanner(snapshot, policy: question.policy).swaps(.cheaperType, zones: [:])
        let count = snapshot.objects.nodes.count
        let unpriced = NodeInventory(snapshot, prices: question.prices).unpriced
        let priced = count == 0 ? 0 : 1 - Double(unpriced) / Double(count)
        let types = Dictionary(
            snapshot.objects.nodes.map { ($0.name, $0.instanceType ?? "?") }, uniquingKeysWith: { first, _ in first })
        let saving = swaps.swaps.map(\.saving).reduce(.zero, +)
        return ReportSection(
            "node-sizes", title: "Sizes of nodes",
            summary:
                "\(swaps.swaps.flatMap(\.removals).count) of \(snapshot.objects.nodes.count) nodes could be of a cheaper type that carries the same pods.",
            savingPerHour: saving, confidence: priced,
            columns: ["node", "type now", "cheaper type", "$/month less"],
            rows: swaps.swaps.map { swap in
                let names = swap.removals.map(\.node.name)
                return [
                    names.joined(separator: " "), names.map { types[$0] ?? "?" }.joined(separator: " "),
                    swap.launch.steps.first?.pools.first?.type ?? "?", Money.monthly(swap.saving),
                ]
            }, notes: ["A node is replaced only where its owner lets us launch: the others are advice for their owner."]
        )
    }

    /// Services whose traffic may cross zones and need not. What it costs hangs on traffic that a snapshot does not hold.
    static func network(_ question: ReportQuestion) throws -> ReportSection {
        let judged = AnalyseNetwork.judge(question.snapshot.objects, policy: question.policy)
        let price = question.policy.costs.dollarsPerCrossZoneGigabyte
        func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }
        return ReportSection(
            "network", title: "Traffic between zones",
            summary:
                "\(judged.count) of \(question.snapshot.objects.services.count) services may send traffic between zones that need not cross.",
            columns: ["service", "may cross", "need not", "$ of each 1,000 GB", "thin zones"],
            rows: judged.map { service, potential in
                [
                    "\(service.namespace)/\(service.name)", percent(potential.crossNow), percent(potential.avoidable),
                    String(format: "%.2f", 1000 * price * potential.avoidable),
                    potential.thinZones.isEmpty ? "-" : potential.thinZones.joined(separator: " "),
                ]
            },
            notes: [
                "What the layout allows, if clients are spread as all pods are; not what was measured. VPC flow logs in CloudWatch Logs are "
                    + "measured by the job analyse-network."
            ])
    }
}
