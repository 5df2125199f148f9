import Foundation
import Infrastructure
import Optimizer

extension ReportSections {
    /// Nodes whose pods would find room elsewhere, and why the others stay.
    static func packing(_ question: ReportQuestion) -> ReportSection {
        let snapshot = question.snapshot
        let plan = PackingPlanner(snapshot, policy: question.policy).plan()
        var notes: [String] = []
        let missing = snapshot.objects.incomplete(PackingPlanner.lists)
        if !missing.isEmpty {
            notes.append(
                "the lists of \(missing.map(\.rawValue).joined(separator: ", ")) are not whole: "
                    + "nothing would be evicted until they are")
        }
        let pending = PackingPlanner.pending(snapshot).count
        if pending > 0 { notes.append("\(pending) pods wait for a place: nothing is packed while any does") }
        let reasons = Dictionary(grouping: plan.stays.values.map(\.code), by: { $0 }).mapValues(\.count)
        for (code, count) in reasons.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
            notes.append("\(count) nodes stay: \(code)")
        }
        // The simulation holds by every rule that is known; what is unsure is what the nodes cost, and a list that is not whole.
        let known = question.prices.byNode(snapshot).count
        let priced = snapshot.objects.nodes.isEmpty ? 0 : Double(known) / Double(snapshot.objects.nodes.count)
        return ReportSection(
            "packing", title: "Packing",
            summary: "\(plan.removals.count) of \(snapshot.objects.nodes.count) nodes can be emptied by "
                + "\(plan.evictions) evictions"
                + (plan.removals.isEmpty ? "." : ", which saves \(Money.monthly(plan.saving)) a month."),
            savingPerHour: plan.saving, confidence: missing.isEmpty && pending == 0 ? priced : priced / 2,
            columns: ["node", "owner", "evictions", "$/month less", "score"],
            rows: plan.removals.map { removal in
                [
                    removal.node.name, removal.owner.description, "\(removal.moves.count)",
                    Money.monthly(removal.saving), String(format: "%.2f", removal.score),
                ]
            }, notes: notes)
    }
}
