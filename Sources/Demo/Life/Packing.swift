import Foundation

/// Nodes that packing emptied and ended, by the simulator's and moto's books.
struct PackingStory: Sendable {
    /// A node that was ended.
    struct Freed: Sendable {
        var node: WorldState.Node
        /// What it cost when it was ended, dollars per hour, by the market.
        var price: Double
        /// What moto says of its instance.
        var state: String
    }

    var nodesBefore = 0
    var podsBefore = 0
    var freed: [Freed] = []
    var podsReady = 0
    var podsPending = 0

    var pricePerHour: Double { freed.map(\.price).reduce(0, +) }

    var check: Judge.Check {
        let dead = freed.map(\.node.abruptPodDeaths.count).reduce(0, +)
        let moved = freed.map(\.node.removals.count).reduce(0, +)
        let isOK =
            !freed.isEmpty && freed.allSatisfy { ["shutting-down", "terminated"].contains($0.state) } && dead == 0
            && podsPending == 0 && podsReady > 0 && freed.allSatisfy { $0.node.cordonedAt != nil }
        let types = freed.map { "\($0.node.instanceType) \($0.node.capacityType)" }
        return Judge.Check(
            name: "packing emptied nodes, moved every pod politely and ended them", ok: isOK,
            detail:
                "\(freed.count) of \(nodesBefore) nodes (\(Narrator.list(types))), \(Narrator.count(moved, "pod")) moved, "
                + "\(dead) died, \(podsPending) pending; moto ended the instances: "
                + "\(Life.dollars(pricePerHour * 720)) a month")
    }
}

extension Life {
    /// Empties what the cluster does not need.
    func packing() async throws -> PackingStory {
        narrator.heading("Packing: nodes that nobody needs")
        _ = try await until("spot prices are read", seconds: 240) {
            guard let found = try await props.ledger.schedule("fetch-spot-prices", "region/\(world.cluster.region)")
            else { return false }
            return found.lastSlot.timeIntervalSince1970 > 0 && !found.isOpen
        }
        var story = PackingStory()
        let before = try await world.state()
        let living = before.nodes.filter { $0.terminatedAt == nil }
        story.nodesBefore = living.count
        story.podsBefore = before.clusters.map(\.pods).reduce(0, +)
        _ = try await until("every pod runs") { try await allRun() }
        try await cloudoptim(
            "policy", "set", DemoSettings.lifeCluster, "modes.packing=apply", "packing.nodes_per_plan_max=1",
            "packing.replaces=false", "packing.moves_local_data=true", "--note", "one node a plan; scratch data may go")
        try await say(.packing, "\(story.nodesBefore) nodes; the scheduler's rules are simulated to see who could go")
        var triggers = 0
        let isDone = try await until("nodes are emptied and ended", seconds: 200) {
            if try await world.state().nodes.contains(where: { $0.terminatedAt != nil }) { return true }
            // A look that was under way when the policy changed may have planned nothing.
            if triggers < 5, try await props.ledger.schedule("defrag", DemoSettings.lifeCluster)?.isOpen == false {
                triggers += 1
                try await cloudoptim("schedules", "trigger", "defrag/\(DemoSettings.lifeCluster)")
            }
            return false
        }
        _ = try await until("every pod runs again") { try await allRun() }
        // The plan notes what it saved once it has seen its last step done: nobody turns it off under its hands.
        _ = try await until("the plan has ended", seconds: 120) {
            try await !props.ledger.isOpen(kind: "defrag", target: DemoSettings.lifeCluster)
        }
        try await cloudoptim(
            "policy", "set", DemoSettings.lifeCluster, "modes.packing=observe", "--note", "enough for today")
        let state = try await world.state()
        story.podsReady = state.clusters.map(\.podsReady).reduce(0, +)
        story.podsPending = state.clusters.map(\.podsPending).reduce(0, +)
        for node in state.nodes where living.contains(where: { $0.instanceID == node.instanceID }) {
            guard let end = node.terminatedAt else { continue }
            let price =
                node.capacityType == "spot"
                ? try await world.spotPrice(type: node.instanceType, zone: node.zone, at: end)
                : try await world.onDemandPrice(type: node.instanceType)
            let freed = PackingStory.Freed(
                node: node, price: price ?? 0, state: try await world.state(of: node.instanceID))
            story.freed.append(freed)
            try await say(
                .packing,
                "\(Watcher.short(node.node)) (\(node.instanceType) \(node.capacityType)): \(node.removals.count) pods moved, "
                    + "each seen running elsewhere before the next; then it was ended: "
                    + "\(Screenplay.dollars(freed.price)) an hour", at: end)
        }
        if isDone { try await say(.packing, "every other node says why it stays: `cloudoptim jobs explain`") }
        return story
    }

    private func allRun() async throws -> Bool {
        try await world.state().clusters.allSatisfy { $0.podsPending == 0 && $0.podsReady == $0.pods }
    }

}
