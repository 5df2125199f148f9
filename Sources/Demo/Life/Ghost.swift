import Foundation

/// What became of an instance that never joined its cluster, by moto's books and the simulator's log.
struct GhostStory: Sendable {
    static let type = "m5.large"
    /// An instance younger than this may still be joining, and from the first sighting a day passes.
    static let hoursMin = 25.0

    var instance: String
    var launched: Date
    /// What moto said of it at each look before its time was over.
    var states: [String] = []
    /// When it was ended.
    var ended: [Date] = []
    /// What moto says of it in the end.
    var state = ""
    /// Nodes of the clusters that were ended by the scan: there must be none.
    var nodesEnded = 0

    var check: Judge.Check {
        let name = "a ghost watched for 24 hours, seen by scans that agree, then ended; no node with it"
        guard let end = ended.first else {
            return Judge.Check(name: name, ok: false, detail: "\(instance) was not ended; moto says \(state)")
        }
        let hours = end.timeIntervalSince(launched) / 3600
        let isOK =
            ended.count == 1 && ["shutting-down", "terminated"].contains(state) && hours >= Self.hoursMin
            && !states.isEmpty && states.allSatisfy { $0 == "running" } && nodesEnded == 0
        return Judge.Check(
            name: name, ok: isOK,
            detail:
                "\(instance): \(states.count) looks found it running, ended once, \(Narrator.number(hours)) h after "
                + "its launch; moto says \(state); \(Narrator.count(nodesEnded, "node")) ended with it")
    }
}

extension Life {
    /// Launches an instance that bears the cluster's tag and never joins it.
    func launchGhost() async throws -> GhostStory {
        let id = try await world.launchStray(type: GhostStory.type)
        try await say(
            .ghost,
            "somebody's script launched \(id) (\(GhostStory.type)) with the cluster's tag; it never becomes a node. Only "
                + "a scan of the account can see it")
        return GhostStory(instance: id, launched: try await now())
    }

    /// Whether it is gone already; notes what moto says.
    func watch(_ ghost: inout GhostStory) async throws {
        let state = try await world.state(of: ghost.instance)
        if try await world.times(of: "TerminateInstances", about: ghost.instance).isEmpty {
            ghost.states.append(state)
        }
        ghost.state = state
    }

    /// After its day.
    func close(_ ghost: inout GhostStory, nodes: Set<String>) async throws {
        let id = ghost.instance
        _ = try await until("the ghost is ended") {
            try await !world.times(of: "TerminateInstances", about: id).isEmpty
        }
        ghost.ended = try await world.times(of: "TerminateInstances", about: id)
        ghost.state = try await world.state(of: id)
        ghost.nodesEnded = try await world.state().nodes.count {
            nodes.contains($0.instanceID) && $0.terminatedAt != nil
        }
        guard let end = ghost.ended.first else { return }
        let price = try await world.onDemandPrice(type: GhostStory.type) ?? 0
        try await say(
            .ghost,
            "every scan agreed for 24 h that \(id) is nobody's: it is ended, and \(Life.dollars(price * 720)) a month "
                + "with it", at: end)
    }
}

extension FarSide {
    /// Launches an instance straight at moto, as somebody with keys of the account could.
    func launchStray(type: String) async throws -> String {
        let answer = try await moto(
            "RunInstances",
            [
                ("ImageId", "ami-12c6146b"), ("InstanceType", type), ("MinCount", "1"), ("MaxCount", "1"),
                ("TagSpecification.1.ResourceType", "instance"), ("TagSpecification.1.Tag.1.Key", "eks:cluster-name"),
                ("TagSpecification.1.Tag.1.Value", cluster.name),
            ])
        guard let id = answer.all("instanceId").first?.content else { throw DemoError("moto launched no instance") }
        return id
    }

    /// What moto says an instance does.
    func state(of instance: String) async throws -> String {
        let answer = try await moto("DescribeInstances", [("InstanceId.1", instance)])
        return answer.all("instanceState").first?.text("name") ?? ""
    }
}
