import Foundation

/// What became of a workload that ran out of memory, by the simulator's API and log.
struct MemoryStory: Sendable {
    /// `namespace/name`.
    var workload: String
    /// Its memory limit at first, and what it turned out to need. Mebibytes.
    var limitBefore: Int
    var needed: Int
    /// After the first help.
    var limitAfter = 0
    /// Restarts in the quarter of an hour after that.
    var restartsAfter = 0
    /// Every limit that was seen while it leaked.
    var limitsWhileLeaking: [Int] = []
    /// Once it was left to a person: kills, and changes of its template.
    var killsAfterStop = 0
    var changesAfterStop = 0
    /// Whether the leak was told.
    var isTold = false

    static let step = 1.2
    static let stepMinimum = 100
    static let growthMax = 4
    static let raisesMax = 3

    var check: Judge.Check {
        let wanted = max(limitBefore + Self.stepMinimum, Int((Double(limitBefore) * Self.step).rounded(.up)))
        let end = limitsWhileLeaking.last ?? limitAfter
        let raises = 1 + Set(limitsWhileLeaking).subtracting([limitAfter]).count
        let isOK =
            limitAfter == wanted && limitAfter >= needed && restartsAfter == 0 && isTold && raises <= Self.raisesMax
            && end <= limitBefore * Self.growthMax && killsAfterStop > 0 && changesAfterStop == 0
        return Judge.Check(
            name: "a container out of memory helped, a leak not fed for ever", ok: isOK,
            detail:
                "\(workload): limit \(limitBefore) Mi -> \(limitAfter) Mi, and it lived (\(restartsAfter) restarts). Then "
                + "it leaked: after \(Narrator.count(raises, "raise")) in all, at \(end) Mi, "
                + (isTold ? "it is left to a person" : "nothing is told") + ": \(killsAfterStop) kills more, "
                + "\(changesAfterStop) changes more")
    }
}

extension Life {
    /// One workload needs a little more than it may have; later it leaks.
    func memoryLoop() async throws -> Judge.Check {
        narrator.heading("Out of memory, once for want of a little, once for a leak")
        try await cloudoptim(
            "policy", "set", DemoSettings.lifeCluster, "modes.oom=apply", "--note", "containers may get more memory")
        guard
            let app = try await world.workloads().first(where: {
                $0.metadata.namespace == "shop" && $0.isDeployment && ($0.memoryLimit ?? 0) > 0 && $0.spec.replicas > 0
            }), let before = app.memoryLimit
        else { throw DemoError("the world has no Deployment in 'shop' with a memory limit: another SEED has") }
        var story = MemoryStory(workload: app.name, limitBefore: before, needed: before + 50)
        try await world.need("\(story.needed)Mi", seconds: 5, app)
        try await say(
            .memory,
            "\(app.name) may have \(before) Mi and needs \(story.needed) Mi: the kernel kills it, over and over")
        try await jump(hours: 0.01, because: "half a minute later")
        try await trigger("remediate-oom")
        _ = try await until("its limit is raised") { try await limit(of: app) ?? 0 > before }
        story.limitAfter = try await limit(of: app) ?? 0
        try await say(
            .memory, "its template now says \(story.limitAfter) Mi: 20 %, or 100 Mi, more than it was killed with")
        _ = try await until("its rollout is complete") { try await isRolledOut(app) }
        let restarts = try await world.restarts(of: app)
        try await jump(hours: 0.25, because: "a quarter of an hour later")
        try await trigger("remediate-oom")
        story.restartsAfter = try await world.restarts(of: app) - restarts
        try await say(.memory, "it lives, and is left alone")
        try await leak(app, &story)
        try await world.need(nil, seconds: 0, app)
        return story.check
    }

    private func leak(_ app: SeenWorkload, _ story: inout MemoryStory) async throws {
        try await world.need("900Gi", seconds: 10, app)
        try await say(.memory, "a new release leaks: it dies ten seconds after each start, whatever it may have")
        story.limitsWhileLeaking.append(story.limitAfter)
        for _ in 0..<10 {
            try await jump(hours: 0.18, because: "eleven minutes later, past the cooldown")
            try await trigger("remediate-oom")
            let limit = try await limit(of: app) ?? 0
            if limit != story.limitsWhileLeaking.last {
                story.limitsWhileLeaking.append(limit)
                try await say(.memory, "raised to \(limit) Mi, within its bounds")
            }
            story.isTold = try await props.ledger.hasCriticalFinding(like: "oom-%")
            if story.isTold { break }
        }
        guard story.isTold else { return }
        try await say(
            .memory, "more memory buys no time: it is taken for a leak, told as critical, and left to a person")
        let calls = try await world.clusterCalls(after: 0).lastSequence
        let restarts = try await world.restarts(of: app)
        // In real time: a jump would make a container live as long as the jump, and so break the series.
        for kill in 1...2 {
            _ = try await until("it is killed again", seconds: 40) {
                try await world.restarts(of: app) >= restarts + kill
            }
            try await trigger("remediate-oom")
        }
        let path = "/deployments/\(app.metadata.name)"
        story.changesAfterStop = try await world.clusterCalls(after: calls).entries.count {
            $0.executed && $0.path.contains(path) && $0.path.contains("/\(app.metadata.namespace)/")
        }
        story.killsAfterStop = try await world.restarts(of: app) - restarts
    }

    private func limit(of app: SeenWorkload) async throws -> Int? {
        try await world.workloads().first { $0.name == app.name && $0.isDeployment }?.memoryLimit
    }

    private func isRolledOut(_ app: SeenWorkload) async throws -> Bool {
        try await world.workloads().first { $0.name == app.name && $0.isDeployment }?.isRolledOut ?? false
    }
}

extension FarSide {
    /// What an app's containers need from now on, and after how many seconds without it they are killed; nil: nothing.
    func need(_ memory: String?, seconds: Int, _ app: SeenWorkload) async throws {
        struct Answer: Decodable { var pods: Int }
        let what = memory.map { ",\"needs\":\"\($0)\",\"seconds\":\(seconds)" } ?? ""
        let answer: Answer = try await control(
            "POST", "memory-need",
            "{\"cluster\":\"\(cluster.name)\",\"namespace\":\"\(app.metadata.namespace)\",\"app\":\"\(app.metadata.name)\"\(what)}"
        )
        guard answer.pods > 0 else { throw DemoError("\(app.name) has no pods") }
    }

    /// Restarts of an app's containers, as the API tells them; of pods that stay.
    func restarts(of app: SeenWorkload) async throws -> Int {
        struct List: Decodable {
            struct Pod: Decodable {
                struct Status: Decodable {
                    struct Container: Decodable { var restartCount: Int? }
                    var containerStatuses: [Container]?
                }
                struct Metadata: Decodable { var deletionTimestamp: String? }
                var metadata: Metadata
                var status: Status?
            }
            var items: [Pod]
        }
        let list: List = try await kubernetes(
            "/api/v1/namespaces/\(app.metadata.namespace)/pods?labelSelector=app%3D\(app.metadata.name)")
        return list.items.filter { $0.metadata.deletionTimestamp == nil }.flatMap { $0.status?.containerStatuses ?? [] }
            .map { $0.restartCount ?? 0 }.reduce(0, +)
    }
}
