import JobQueue
import Synchronization

/// Tells runs that the worker wants to stop, and wakes those that wait.
final class DrainSignal: Sendable {
    private struct State {
        var isDraining = false
        var sleepers: [Int: CheckedContinuation<Void, any Error>] = [:]
        var next = 0
    }

    private let clock: any Clock<Duration>
    private let state = Mutex(State())

    /// - Parameter clock: what waits are measured by; tests give one that they move.
    init(clock: any Clock<Duration> = ContinuousClock()) { self.clock = clock }

    var isDraining: Bool { state.withLock { $0.isDraining } }

    /// Starts draining: everybody who sleeps wakes with `HandBack`.
    func begin() {
        let sleepers = state.withLock { state in
            state.isDraining = true
            defer { state.sleepers.removeAll() }
            return Array(state.sleepers.values)
        }
        for sleeper in sleepers { sleeper.resume(throwing: HandBack()) }
    }

    /// Sleeps; ends early with `HandBack` when draining begins and with `CancellationError` when the task is cancelled.
    func sleep(for duration: Duration) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [clock] in try await clock.sleep(for: duration) }
            group.addTask { try await self.waitForDrain() }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Returns only by throwing: `HandBack` when draining begins, `CancellationError` when the task is cancelled.
    private func waitForDrain() async throws {
        let ticket = state.withLock { state in
            defer { state.next += 1 }
            return state.next
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let failure: (any Error)? = state.withLock { state in
                    if state.isDraining { return HandBack() }
                    if Task.isCancelled { return CancellationError() }
                    state.sleepers[ticket] = continuation
                    return nil
                }
                if let failure { continuation.resume(throwing: failure) }
            }
        } onCancel: {
            let sleeper = state.withLock { $0.sleepers.removeValue(forKey: ticket) }
            sleeper?.resume(throwing: CancellationError())
        }
    }
}
