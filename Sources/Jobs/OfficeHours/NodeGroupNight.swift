import Foundation
import Infrastructure

/// The time that a group of nodes slept: what it saves, instance by instance (domain-rules section 6).
///
/// One saving for each instance that was gone when the group was woken, under the instant it fell asleep: however often it is filed, it
/// is there once. What its workloads no longer asked for (`freed`) is in no sum, so that nothing is added twice.
struct NodeGroupNight: Sendable {
    private let row: NodeGroupSleep
    private let nodes: [String: MicroDollars]

    /// - Parameters:
    ///   - row: the group's row while it slept.
    ///   - nodes: those of its instances that were gone when it was woken, with what each cost per hour.
    init(_ row: NodeGroupSleep, nodes: [String: MicroDollars]?) {
        self.row = row
        self.nodes = nodes ?? [:]
    }

    /// Its savings; none where it did not sleep.
    func facts(until: Date) -> [Fact] {
        guard row.at < until else { return [] }
        return nodes.sorted { $0.key < $1.key }.map { instance, price in
            .saving(
                SavingFact(
                    key: "saving/asleep/\(row.cluster)/\(row.group)/\(row.at.formatted(.iso8601))/\(instance)",
                    cluster: row.cluster, feature: .officeHours, .asleep, subject: instance, before: price,
                    after: .zero, since: row.at, until: until))
        }
    }
}
