import JobQueue
import Logging

/// Step 3 of 7: hands out the ids of due jobs, so that every list holds the next ones and no more.
struct Feeder: Sendable {
    let ledger: any LeaderLedger
    let broker: (any Broker)?
    let configuration: SchedulerConfiguration
    let logger: Logger

    /// Where the last look at each list ended, and when it last started at the head.
    struct Memory {
        var cursors: [ReadyList: FeedCursor] = [:]
        /// How full each list was when ids were last handed out.
        var levels: [ReadyList: ListLevel] = [:]
        /// When each list's next look starts at its head again; not before its end was seen.
        var headAt: [ReadyList: ContinuousClock.Instant] = [:]
        /// Where the looks for those that rise ended, by list and lanes, and when the next is due.
        var agedCursors: [[ReadyList]: FeedCursor] = [:]
        var agedAt = ContinuousClock.now
        var incarnation = JobID().description
    }

    func run() async {
        guard let broker else { return }
        var memory = Memory()
        while !Task.isCancelled {
            do {
                try await Task.sleep(for: try await feed(broker, &memory))
            } catch is CancellationError {
                return
            } catch {
                logger.debug("feeding failed", metadata: ["error": .string("\(error)")])
                do { try await Task.sleep(for: .milliseconds(500)) } catch { return }
            }
        }
    }

    /// One look. Gives the time until the next: soon, while there is more to hand out, or to look past (what is paused or at
    /// its limit is passed by); else when the first of the lists will be half empty, as fast as it is being emptied.
    func feed(_ broker: any Broker, _ memory: inout Memory) async throws -> Duration {
        if try await broker.plantIncarnation(memory.incarnation) {
            logger.warning("the broker was empty: its lists are filled anew")
            memory.cursors.removeAll()
        }
        let lists = try await ledger.readyLists()
        if lists.isEmpty { return configuration.feedEvery }
        var pause = configuration.feedEvery
        let half = configuration.listMax / 2
        let lengths = try await broker.lengths(of: lists)
        for (list, length) in zip(lists, lengths) {
            if length >= half {
                if let level = memory.levels[list] { pause = min(pause, level.time(from: length, to: half, at: .now)) }
                continue
            }
            let wanted = configuration.listMax - length
            let feed = try await ledger.ready(in: list, atMost: wanted, cursor: memory.cursors[list] ?? .start)
            memory.cursors[list] = feed.cursor
            if !feed.ids.isEmpty { try await broker.push(feed.ids, to: list) }
            memory.levels[list] = ListLevel(length: length + feed.ids.count, at: .now)
            if feed.ids.count == wanted || !feed.isAtEnd { pause = .zero }
            if feed.isAtEnd, memory.headAt[list] ?? .now <= .now {
                memory.cursors[list] = nil
                memory.headAt[list] = .now + configuration.fullLookEvery
            }
        }
        try await lift(lists, broker, &memory)
        return max(pause, configuration.feedEveryWhenBehind)
    }

    /// Hands out a lane or two higher who waited too long: at most a quarter of a list in one look, and only where the list
    /// is short, so that what is not taken does not pile up there.
    private func lift(_ lists: [ReadyList], _ broker: any Broker, _ memory: inout Memory) async throws {
        guard memory.agedAt <= .now else { return }
        memory.agedAt = .now + configuration.liftEvery
        let looks = Ageing.looks(Set(lists.map(\.queue)).sorted(), Lane.allCases).filter { lists.contains($0.list) }
        if looks.isEmpty { return }
        let lengths = try await broker.lengths(of: looks.map { $0.list.risen(by: $0.lanes) })
        for (look, length) in zip(looks, lengths) where length < configuration.listMax / 2 {
            let (list, higher) = (look.list, look.list.risen(by: look.lanes))
            let feed = try await ledger.aged(
                in: list, rising: look.lanes, atMost: configuration.listMax / 4,
                cursor: memory.agedCursors[[list, higher]] ?? .start)
            memory.agedCursors[[list, higher]] = feed.isAtEnd ? nil : feed.cursor
            if !feed.ids.isEmpty { try await broker.push(feed.ids, to: higher) }
        }
    }
}

/// How full a list was at a moment, and so when it will be less so: without that, a fleet that empties its lists faster than
/// the feeder's period would wait for ids.
struct ListLevel: Sendable, Equatable {
    /// The ids it held, with those that were just handed out.
    let length: Int
    let at: ContinuousClock.Instant

    /// How long until a list that holds `length` ids by now will hold `mark`, if it goes on being emptied as since then.
    /// While nothing has been taken: as long again as it has been.
    func time(from length: Int, to mark: Int, at now: ContinuousClock.Instant) -> Duration {
        let taken = self.length - length
        return taken > 0 ? (now - at) * (Double(length - mark) / Double(taken)) : now - at
    }
}
