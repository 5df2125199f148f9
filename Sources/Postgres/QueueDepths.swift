import JobQueue

/// Refuses jobs of lanes 2 and 3 for queues at their `depth_max`.
///
/// A count is trusted for a second, less what was enqueued here since: those who enqueue at the same moment go beyond the
/// limit by at most what they enqueue in that second. A full queue is counted ten times a second at most.
actor QueueDepths {
    /// How full a queue is.
    struct Depth: Sendable {
        let max: Int
        let queued: Int
    }

    private struct Room {
        var left: Int
        var max: Int
        let countedAt: ContinuousClock.Instant
    }

    /// By queue; nil: it has no limit.
    private var rooms: [String: (room: Room?, at: ContinuousClock.Instant)] = [:]

    private static let trustedFor = Duration.seconds(1)
    private static let countedEvery = Duration.milliseconds(100)

    /// - Parameter count: reads the queues that have a limit.
    /// - Throws: `queueFull`: nothing of the jobs may be stored.
    func admit(
        _ jobs: [ResolvedJob], count: @Sendable ([String]) async throws -> [(String, Depth)]
    ) async throws {
        var wanted: [String: Int] = [:]
        for job in jobs where job.lane >= .work { wanted[job.queue, default: 0] += 1 }
        let stale = wanted.keys.filter { isStale($0, wanted[$0] ?? 0) }.sorted()
        if !stale.isEmpty {
            let found = Dictionary(try await count(stale)) { first, _ in first }
            for queue in stale {
                rooms[queue] = (found[queue].map { Room(left: $0.max - $0.queued, max: $0.max, countedAt: .now) }, .now)
            }
        }
        for (queue, number) in wanted {
            guard let room = rooms[queue]?.room, room.left < number else { continue }
            throw QueueError(
                .queueFull,
                "queue '\(queue)' takes \(room.max) queued jobs of lanes 2 and 3, and has room for \(max(0, room.left)): try later"
            )
        }
        for (queue, number) in wanted { rooms[queue]?.room?.left -= number }
    }

    private func isStale(_ queue: String, _ wanted: Int) -> Bool {
        guard let (room, at) = rooms[queue] else { return true }
        let age = ContinuousClock.now - at
        if age > Self.trustedFor { return true }
        guard let room else { return false }
        return room.left < wanted && age > Self.countedEvery
    }
}
