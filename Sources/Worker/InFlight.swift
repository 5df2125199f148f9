import JobQueue
import Synchronization

/// What a worker has in hand: every claimed run until its settlement is acknowledged, and who holds a slot.
final class InFlight: Sendable {
    private struct State {
        var runs: [JobID: ActiveRun] = [:]
        var slotsHeld = 0
        var ordinarySlotsHeld = 0
        var ordinaryOwned = 0
        var interruptionsOwned = 0
        var dropped: Set<RunID> = []
        /// A suspect runs: nothing else is taken beside it.
        var isExclusive = false
        var handedBack: [RunID: ContinuousClock.Instant] = [:]
        var slotWaiters: [(lane: Lane, continuation: CheckedContinuation<Void, Never>)] = []
        var changes = 0
        var changeWaiters: [CheckedContinuation<Void, Never>] = []
    }

    /// Room for more runs, counted apart for lane 0 and for the rest.
    struct Room: Equatable {
        var interruption: Int
        var ordinary: Int
    }

    private let slots: Int
    private let owned: Int
    private let state = Mutex(State())

    init(slots: Int, owned: Int) {
        self.slots = slots
        self.owned = max(owned, slots)
    }

    /// A quarter of the slots is kept for lane 0 (none of a single slot). What lane 0 owns is counted apart: a hundred drains
    /// that wait for their pods and as many launches find room beside whatever else waits.
    var room: Room {
        state.withLock { state in
            if state.isExclusive { return Room(interruption: 0, ordinary: 0) }
            let free = slots - state.slotsHeld
            let ordinary = min(slots - slots / 4 - state.ordinarySlotsHeld, owned - state.ordinaryOwned, free)
            return Room(interruption: max(0, min(free, owned - state.interruptionsOwned)), ordinary: max(0, ordinary))
        }
    }

    /// The most that one claim takes: a third of what may be owned beside lane 0, so that a claim, the handlers of the
    /// batch before and the settlement of the one before that go on side by side.
    var batchMax: Int { max(Self.batchMin, (slots - slots / 4) / 3) }
    private static let batchMin = 64

    /// Runs that ended without being settled: theirs was no longer this worker's to settle, as far as it knew.
    var dropped: [RunID] { state.withLock { $0.dropped.sorted { $0.job < $1.job } } }

    var count: Int { state.withLock { $0.runs.count } }
    var runs: [ActiveRun] { state.withLock { Array($0.runs.values) } }

    /// Takes a run in, with a slot. False: it was handed back as an orphan before its claim's answer came.
    /// - Parameter isAlone: it is a suspect: nothing else is taken until it is released.
    func admit(_ run: ActiveRun, isAlone: Bool) -> Bool {
        state.withLock { state in
            guard state.handedBack[run.id] == nil else { return false }
            if isAlone { state.isExclusive = true }
            state.runs[run.id.job] = run
            state.slotsHeld += 1
            if run.job.lane == .interruption {
                state.interruptionsOwned += 1
            } else {
                state.ordinarySlotsHeld += 1
                state.ordinaryOwned += 1
            }
            return true
        }
    }

    /// Lets a run go once its settlement is acknowledged or pointless.
    func release(_ run: ActiveRun, holdsSlot: Bool, isSettled: Bool) {
        wake(
            state.withLock { state in
                if !isSettled { state.dropped.insert(run.id) }
                if state.runs[run.id.job] === run { state.runs[run.id.job] = nil }
                if state.runs.isEmpty { state.isExclusive = false }
                if run.job.lane == .interruption { state.interruptionsOwned -= 1 } else { state.ordinaryOwned -= 1 }
                if holdsSlot { return freeSlot(of: run.job.lane, &state) }
                return takeChangeWaiters(&state)
            })
    }

    /// Gives a slot back while a run waits.
    func leaveSlot(_ lane: Lane) {
        wake(state.withLock { freeSlot(of: lane, &$0) })
    }

    /// Waits for a slot again; lane 0 first.
    func takeSlot(_ lane: Lane) async {
        await withCheckedContinuation { continuation in
            let mayGo = state.withLock { state in
                if mayTake(lane, state) {
                    grant(lane, &state)
                    return true
                }
                state.slotWaiters.append((lane, continuation))
                return false
            }
            if mayGo { continuation.resume() }
        }
    }

    /// Counts releases and slots given back: what `waitForChange` compares with.
    var changes: Int { state.withLock { $0.changes } }

    /// Waits until something was released or given back after `changes` was read.
    func waitForChange(after seen: Int) async {
        await withCheckedContinuation { continuation in
            let isNow = state.withLock { state in
                if state.changes != seen { return true }
                state.changeWaiters.append(continuation)
                return false
            }
            if isNow { continuation.resume() }
        }
    }

    /// Wakes whoever waits for a change.
    func poke() {
        wake(state.withLock { takeChangeWaiters(&$0) })
    }

    /// Remembers a run that was handed back: a claim's answer that comes later is dropped.
    func noteHandedBack(_ run: RunID) {
        state.withLock { state in
            let now = ContinuousClock.now
            state.handedBack[run] = now
            if state.handedBack.count > 1000 {
                state.handedBack = state.handedBack.filter { $0.value > now - .seconds(60) }
            }
        }
    }

    private func mayTake(_ lane: Lane, _ state: State) -> Bool {
        state.slotsHeld < slots && (lane == .interruption || state.ordinarySlotsHeld < slots - slots / 4)
    }

    private func grant(_ lane: Lane, _ state: inout State) {
        state.slotsHeld += 1
        if lane != .interruption { state.ordinarySlotsHeld += 1 }
    }

    private func freeSlot(of lane: Lane, _ state: inout State) -> [CheckedContinuation<Void, Never>] {
        state.slotsHeld -= 1
        if lane != .interruption { state.ordinarySlotsHeld -= 1 }
        var woken = takeChangeWaiters(&state)
        while let index = state.slotWaiters.indices.filter({ mayTake(state.slotWaiters[$0].lane, state) })
            .min(by: { state.slotWaiters[$0].lane < state.slotWaiters[$1].lane })
        {
            let waiter = state.slotWaiters.remove(at: index)
            grant(waiter.lane, &state)
            woken.append(waiter.continuation)
        }
        return woken
    }

    private func takeChangeWaiters(_ state: inout State) -> [CheckedContinuation<Void, Never>] {
        state.changes += 1
        defer { state.changeWaiters.removeAll() }
        return state.changeWaiters
    }

    private func wake(_ continuations: [CheckedContinuation<Void, Never>]) {
        for continuation in continuations { continuation.resume() }
    }
}
