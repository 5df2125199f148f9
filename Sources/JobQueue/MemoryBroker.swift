/// A broker in memory: for tests, and for a program whose scheduler and workers share one process.
///
/// Its switches do to the queue what a Redis server may do: lose everything, lose pushes, be away.
public actor MemoryBroker: Broker {
    private let clock: any Clock<Duration>
    private var lists: [ReadyList: [JobID]] = [:]
    private var incarnation: String?
    private var isAway = false
    private var losesPushes = false
    private var waiting: [Int: AsyncStream<Void>.Continuation] = [:]
    private var listeners: [Int: AsyncStream<ControlHint>.Continuation] = [:]
    private var tickets = 0

    /// Makes an empty broker.
    /// - Parameter clock: measures the timeouts of `take`.
    public init(clock: any Clock<Duration> = ContinuousClock()) { self.clock = clock }

    // MARK: Switches for tests

    /// Empties everything, as FLUSHALL or a restart does.
    public func flush() {
        lists = [:]
        incarnation = nil
    }

    /// From now on pushes are accepted and lost, or no longer so.
    public func losePushes(_ loses: Bool) { losesPushes = loses }

    /// From now on every operation throws `unavailable` and streams of hints end, or no longer so.
    public func goAway(_ away: Bool) {
        isAway = away
        guard away else { return }
        wakeAll()
        for listener in listeners.values { listener.finish() }
        listeners = [:]
    }

    // MARK: Broker

    /// Appends ids to a list, in order.
    public func push(_ ids: [JobID], to list: ReadyList) throws {
        try checkPresence()
        if ids.isEmpty || losesPushes { return }
        lists[list, default: []].append(contentsOf: ids)
        wakeAll()
    }

    /// Removes up to `atMost` ids from the first list that has any; waits up to `timeout` for one.
    public func take(from lists: [ReadyList], atMost: Int, timeout: Duration) async throws -> [JobID] {
        if lists.isEmpty || atMost <= 0 { return [] }
        try Task.checkCancellation()
        try checkPresence()
        let found = pop(lists, atMost)
        if !found.isEmpty || timeout <= .zero { return found }
        tickets += 1
        let ticket = tickets
        let (wakes, wake) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        waiting[ticket] = wake
        defer { waiting[ticket] = nil }
        return try await withThrowingTaskGroup(of: [JobID].self) { group in
            group.addTask { try await self.takeWhenWoken(wakes, lists, atMost) }
            group.addTask { [clock] in
                try await clock.sleep(for: timeout)
                return []
            }
            var found = try await group.next() ?? []
            group.cancelAll()
            // Ids that were popped just when the time was over count.
            while let rest = await group.nextResult() {
                if case .success(let ids) = rest { found += ids }
            }
            return found
        }
    }

    /// The lengths of the lists, in the same order.
    public func lengths(of lists: [ReadyList]) throws -> [Int] {
        try checkPresence()
        return lists.map { self.lists[$0]?.count ?? 0 }
    }

    /// Sets the incarnation if there is none; true means the broker had been emptied.
    public func plantIncarnation(_ token: String) throws -> Bool {
        try checkPresence()
        if incarnation != nil { return false }
        incarnation = token
        return true
    }

    /// Tells everybody who listens.
    public func publish(_ hint: ControlHint) throws {
        try checkPresence()
        for listener in listeners.values { listener.yield(hint) }
    }

    /// Hints as they come; ends when the broker goes away.
    public func hints() throws -> AsyncStream<ControlHint> {
        try checkPresence()
        // A listener that does not listen loses old hints, as it would with Redis.
        let (stream, continuation) = AsyncStream<ControlHint>.makeStream(bufferingPolicy: .bufferingNewest(1000))
        tickets += 1
        listeners[tickets] = continuation
        return stream
    }

    // MARK: Inside

    private func takeWhenWoken(
        _ wakes: AsyncStream<Void>, _ lists: [ReadyList], _ atMost: Int
    ) async throws -> [JobID] {
        for await _ in wakes {
            try checkPresence()
            let found = pop(lists, atMost)
            if !found.isEmpty { return found }
        }
        throw CancellationError()
    }

    private func pop(_ wanted: [ReadyList], _ atMost: Int) -> [JobID] {
        for list in wanted {
            guard let ids = lists[list], !ids.isEmpty else { continue }
            lists[list] = ids.count > atMost ? Array(ids.dropFirst(atMost)) : nil
            return Array(ids.prefix(atMost))
        }
        return []
    }

    private func wakeAll() {
        for wake in waiting.values { wake.yield() }
    }

    private func checkPresence() throws {
        if isAway { throw QueueError(.unavailable, "the memory broker was told to be away") }
    }
}
