import Foundation
import Infrastructure
import Optimizer

/// The sections that belong to no kind of job.
enum ReportSections {
    /// What the nodes are, how full, and what they cost.
    static func nodes(_ question: ReportQuestion) -> ReportSection {
        let inventory = NodeInventory(question.snapshot, prices: question.prices)
        let count = question.snapshot.objects.nodes.count
        var notes: [String] = []
        if inventory.unknownCapacity > 0 {
            notes.append(
                "\(inventory.unknownCapacity) nodes do not say how they are paid: taken for on demand "
                    + "(the AWS account tells, where we may read it)")
        }
        if inventory.unpriced > 0 { notes.append("\(inventory.unpriced) nodes have no known price and count nothing") }
        if let foreign = foreignPrices(question, inventory.groups.map(\.type)) { notes.append(foreign) }
        return ReportSection(
            "nodes", title: "Nodes",
            summary: "\(count) nodes cost \(Money.monthly(inventory.perHour)) a month on instances.",
            columns: ["type", "paid", "owner", "nodes", "cpu asked", "memory asked", "$/month", "$/month on demand"],
            rows: inventory.groups.map { group in
                [
                    group.type, group.capacity.rawValue, group.owner.description, "\(group.nodes)",
                    share(group.requested.cpu.rawValue, group.allocatable.cpu.rawValue),
                    share(group.requested.memory.rawValue, group.allocatable.memory.rawValue),
                    group.perHour.map(Money.monthly) ?? "?", group.onDemandPerHour.map(Money.monthly) ?? "?",
                ]
            }, notes: notes)
    }

    /// Nodes on demand that could be spot.
    static func spotCandidates(_ question: ReportQuestion) -> ReportSection {
        let all = SpotCandidates.find(in: question.snapshot, policy: question.policy, prices: question.prices)
        let free = all.filter(\.obstacles.isEmpty)
        let saving = free.map(\.saving).reduce(.zero, +)
        let weight = free.map { Double($0.saving.rawValue) }.reduce(0, +)
        let confidence = free.map { Double($0.saving.rawValue) * $0.confidence }.reduce(0, +)
        var notes = [
            "Risk is 0.60 interruption rate + 0.25 price volatility + 0.10 price gap + 0.05 own history, 0 to 1: "
                + "a ranking, not a probability.",
            "The same type in the same zone; the job spot-arbitrage also looks at other types.",
        ]
        let guessed = all.filter { !$0.isMeasured }.count
        if guessed > 0 {
            notes.append("\(guessed) spot prices were never seen yet: on demand less the Spot Advisor's saving")
        }
        if let foreign = foreignPrices(question, all.map(\.pool.type)) { notes.append(foreign) }
        return ReportSection(
            "spot-candidates", title: "Spot candidates",
            summary: "\(free.count) of \(all.count) nodes on demand could be spot"
                + (free.isEmpty ? "." : ", which saves \(Money.monthly(saving)) a month."),
            savingPerHour: saving, confidence: weight > 0 ? confidence / weight : 0,
            columns: ["node", "type", "zone", "owner", "risk", "confidence", "$/month less", "against it"],
            rows: all.map { candidate in
                [
                    candidate.node, candidate.pool.type, candidate.pool.zone, candidate.owner.description,
                    String(format: "%.2f", candidate.risk.score), String(format: "%.2f", candidate.confidence),
                    Money.monthly(candidate.saving),
                    candidate.obstacles.isEmpty ? "-" : candidate.obstacles.joined(separator: "; "),
                ]
            }, notes: notes)
    }

    private static func foreignPrices(_ question: ReportQuestion, _ types: [String]) -> String? {
        types.allSatisfy { question.prices.onDemand($0)?.isOwn ?? (question.snapshot.cluster.region == "us-east-1") }
            ? nil
            : "on-demand prices of \(question.snapshot.cluster.region) are not known yet: those of us-east-1 count"
    }

    private static func share(_ part: Int64, _ whole: Int64) -> String {
        whole > 0 ? "\(Int((Double(part) / Double(whole) * 100).rounded())) %" : "?"
    }
}

/// Money for people.
enum Money {
    /// A price per hour as dollars a month of 730 hours.
    static func monthly(_ perHour: MicroDollars) -> String {
        String(format: "$%.2f", Double(perHour.rawValue) / 1_000_000 * ClusterReport.hoursPerMonth)
    }
}

extension ClusterReport {
    /// The report as text for people.
    public var text: String {
        var lines = [
            "Cluster \(cluster), seen at \(capturedAt.formatted(.iso8601))",
            "Instances cost \(Money.monthly(costPerHour)) a month now.", "",
        ]
        let worth = sections.filter { ($0.savingPerHour ?? .zero) > .zero }
        if !worth.isEmpty {
            lines.append("What could be saved (sections overlap: their sum is not a promise):")
            for section in worth {
                let confidence = section.confidence.map { String(format: ", confidence %.2f", $0) } ?? ""
                lines.append(
                    "  \(section.title): \(Money.monthly(section.savingPerHour ?? .zero)) a month\(confidence)")
            }
            lines.append("")
        }
        for section in sections {
            lines += ["## \(section.title)", section.summary]
            lines += ClusterReport.table(section.columns, section.rows)
            if section.rowCount > section.rows.count {
                lines.append("… and \(section.rowCount - section.rows.count) more")
            }
            lines += section.notes.map { "  - \($0)" } + [""]
        }
        if !remarks.isEmpty { lines += ["## What to know about this snapshot"] + remarks.map { "  - \($0)" } + [""] }
        return lines.joined(separator: "\n")
    }

    private static func table(_ columns: [String], _ rows: [[String]]) -> [String] {
        guard !rows.isEmpty else { return [] }
        let all = [columns.map { $0.uppercased() }] + rows
        let widths = columns.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            "  "
                + zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
                .joined(separator: "  ").trimmingCharacters(in: .whitespaces)
        }
    }
}
