import Foundation
import Infrastructure

@testable import JobQueue

extension FakeWorld {
    /// The state of the world, one thing a line, and what was executed: a call that is there twice was done twice.
    func summary() -> [String] {
        var lines = calls.map { "did \($0)" }
        lines += nodes.values.map { node in
            let taints = node.taints.map { "\($0.key)=\($0.value)" }.sorted()
            return "node \(node.name) unschedulable:\(node.isUnschedulable) \(taints) \(FakeWorld.text(node.labels))"
                + " \(FakeWorld.text(node.annotations))"
        }
        lines += pods.values.map { "pod \($0.name) on \($0.nodeName ?? "none")" }
        lines += instances.values.map {
            "instance \($0.id) \($0.state) \($0.type) \($0.zone) \(FakeWorld.text($0.tags))"
        }
        lines += volumes.values.map { "volume \($0.id) \($0.state)" }
        lines += snapshots.map { "snapshot of \($0.volume) \($0.state)" }
        // The time that a mark bears is when it was decided, which a fault makes later.
        func marks(_ annotations: [String: String]) -> String {
            FakeWorld.text(annotations.mapValues { String($0.prefix { $0 != "@" }) })
        }
        lines += workloads.map {
            "workload \($0.name) \($0.replicas ?? -1) suspended:\($0.isSuspended) \(marks($0.annotations))"
                + " near:\($0.placement.preferredAffinity.count)"
        }
        lines += nodeGroups.values.map {
            "group \($0.reference) \($0.minSize)/\($0.desired) \(marks($0.tags))"
        }
        lines += autoscalers.map {
            "autoscaler \($0.name) \($0.minReplicas ?? -1) \(marks($0.annotations))"
        }
        lines += messages.map { "message \($0.id)" }
        return lines
    }

    private static func text(_ values: [String: String]) -> String {
        values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
    }
}

extension MemoryStores {
    /// What was kept, one thing a line. Findings are left out: a fault may be one.
    func summary(without kinds: Set<String>) -> [String] {
        Set(
            records.filter { $0.kind != "finding" && !kinds.contains($0.kind) }.map { "record \($0.kind) \($0.key)" }
        ).sorted()
            + interruptions.map {
                "interruption \($0.instance) \($0.generation) drained:\($0.drainedAt != nil) closed:\($0.closedAt != nil)"
                    + " replacement:\($0.replacement?.rawValue ?? "none")"
            }
    }
}
