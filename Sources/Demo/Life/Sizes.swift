import Foundation

/// A workload whose requests were sized by what it used, by the simulator's API.
struct SizeStory: Sendable {
    var samples = 0
    var hours = 0.0
    /// nil: none was changed.
    var before: SeenWorkload?
    var after: SeenWorkload?
    /// The most that one of its pods uses at the end, by the metrics server.
    var cpuUsed = 0
    var memoryUsed = 0
    var restarts = 0

    var check: Judge.Check {
        let name = "requests sized by a day of samples, watched, and never below what is used"
        guard let before, let after, let old = before.cpuRequest, let new = after.cpuRequest,
            let oldMemory = before.memoryRequest, let newMemory = after.memoryRequest
        else { return Judge.Check(name: name, ok: false, detail: "no workload was resized") }
        let isOK =
            (old, oldMemory) != (new, newMemory) && new >= cpuUsed && newMemory >= memoryUsed && after.isRolledOut
            && restarts == 0 && hours >= 24
        return Judge.Check(
            name: name, ok: isOK,
            detail: "\(after.name): \(old)m -> \(new)m CPU (its busiest pod uses \(cpuUsed)m now), \(oldMemory) -> "
                + "\(newMemory) Mi (\(memoryUsed) Mi), after \(Int(hours)) h; rolled out, \(restarts) restarts")
    }
}

extension Life {
    /// Passes a day three hours at a time: samples are taken, and the scans see the ghost.
    func dayOfSamples(_ ghost: inout GhostStory) async throws -> SizeStory {
        narrator.heading("A day passes: what pods use is sampled, and the ghost is watched")
        var story = SizeStory()
        let begin = try await now()
        for step in 1...9 {
            guard let schedule = try await props.ledger.schedule("sample-metrics", DemoSettings.lifeCluster) else {
                throw DemoError("there is no schedule of sample-metrics for \(DemoSettings.lifeCluster)")
            }
            // Just past a slot: a sample that is late is dropped, and never made up for.
            let wanted = try await now().addingTimeInterval(3 * 3600)
            let slots = (wanted.timeIntervalSince(schedule.nextSlot) / 60).rounded(.up)
            let moment = schedule.nextSlot.addingTimeInterval(slots * 60 + 0.5)
            try await move(to: moment)
            if try await looked("sample-metrics", after: moment) { story.samples += 1 }
            _ = try await looked("ghost-scan", account, after: moment)
            try await watch(&ghost)
            if step % 4 == 0 {
                try await say(
                    .size, "\(step * 3) hours: \(story.samples) samples of every container, kept as histograms")
            }
        }
        story.hours = try await now().timeIntervalSince(begin) / 3600
        return story
    }

    /// Applies one recommendation and sees the watch to its end.
    func rightsizing(_ story: inout SizeStory) async throws {
        narrator.heading("Rightsizing: what a container asks for, and what it uses")
        try await cloudoptim(
            "policy", "set", DemoSettings.lifeCluster, "modes.rightsizing=apply", "rightsizing.samples_min=15",
            "rightsizing.coverage_min=0", "--note", "the demo samples every three hours, not every minute")
        let before = try await world.workloads()
        try await cloudoptim(
            "enqueue", "rightsize-workloads", "--target", DemoSettings.lifeCluster, "--parameters",
            "{\"poll_seconds\":2,\"changes_max\":1}")
        var changed: SeenWorkload?
        _ = try await until("a workload is resized and rolled out") {
            changed = try await world.workloads().first { workload in
                guard let old = before.first(where: { $0.name == workload.name }) else { return false }
                return old.spec.template != workload.spec.template && workload.isRolledOut
            }
            return changed != nil
        }
        guard let changed, let old = before.first(where: { $0.name == changed.name }) else { return }
        story.before = old
        try await say(
            .size,
            "\(changed.name): \(Self.sizes(old)) -> \(Self.sizes(changed)), by the 95th percentile of CPU and the most "
                + "memory, with 15 % on top")
        try await jump(hours: 0.6, because: "half an hour: it is watched, and would get back what it had")
        _ = try await until("the watch ends") {
            try await !props.ledger.isOpen(kind: "rightsize-workloads", target: DemoSettings.lifeCluster)
        }
        story.after = try await world.workloads().first { $0.name == changed.name }
        story.restarts = try await world.restarts(of: changed)
        let used = try await world.usage(of: changed)
        (story.cpuUsed, story.memoryUsed) = (used.milliCPU, used.mebibytes)
        try await say(.size, "nothing got worse: it stays. What it no longer asks for is room that packing can use")
    }

    private static func sizes(_ workload: SeenWorkload) -> String {
        "\(workload.cpuRequest ?? 0)m CPU, \(workload.memoryRequest ?? 0) Mi"
    }
}

extension FarSide {
    /// The most that one pod of a workload uses, by the metrics server.
    func usage(of workload: SeenWorkload) async throws -> (milliCPU: Int, mebibytes: Int) {
        struct List: Decodable {
            struct Item: Decodable {
                struct Metadata: Decodable { var labels: [String: String]? }
                struct Container: Decodable { var usage: [String: String] }
                var metadata: Metadata
                var containers: [Container]
            }
            var items: [Item]
        }
        let list: List = try await kubernetes(
            "/apis/metrics.k8s.io/v1beta1/namespaces/\(workload.metadata.namespace)/pods")
        let own = list.items.filter { $0.metadata.labels?["app"] == workload.metadata.name }
        let usage = own.flatMap(\.containers).map(\.usage)
        let cpu = usage.compactMap { $0["cpu"].flatMap { Int($0.dropLast()) } }.max() ?? 0
        let memory = usage.compactMap { $0["memory"].flatMap { Int($0.dropLast(2)) } }.max() ?? 0
        return (cpu / 1_000_000, memory / 1024)
    }
}
