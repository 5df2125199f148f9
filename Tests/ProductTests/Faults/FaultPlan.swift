import Infrastructure
import JobQueue
import Synchronization

/// How a far call goes wrong.
enum FaultWay: String, Sendable, CaseIterable {
    /// It surely did nothing, and says so.
    case refusedBefore = "fails before it acts"
    /// It did its work, and the answer was lost on the way back.
    case answerLost = "acts, and its answer is lost"
    /// It did nothing, and the caller learns nothing until the call's time limit.
    case hangs = "hangs without having acted"
    /// It did its work, and the caller learns nothing until the call's time limit.
    case hangsHavingActed = "acts, and hangs"
    /// It did its work, and the worker that called dies at this instant.
    case workerDies = "acts, and the worker dies"
}

/// One far call of a run: the third eviction, the first claim.
struct FarCall: Hashable, Sendable, CustomStringConvertible {
    let name: String
    /// Which of its name, counted from 1.
    let number: Int

    var description: String { "\(name) #\(number)" }
}

/// Counts far calls, and says which of them goes wrong how.
final class FaultPlan: Sendable {
    private struct State {
        var counts: [String: Int] = [:]
        var hasStruck = false
    }

    let fault: (call: FarCall, way: FaultWay)?
    private let state = Mutex(State())

    init(_ fault: (call: FarCall, way: FaultWay)? = nil) { self.fault = fault }

    /// How the next call of this name goes wrong; nil: it does not.
    func next(_ name: String) -> FaultWay? {
        state.withLock { state in
            let call = FarCall(name: name, number: state.counts[name, default: 0] + 1)
            state.counts[name] = call.number
            guard let fault, fault.call == call else { return nil }
            state.hasStruck = true
            return fault.way
        }
    }

    /// Whether the planned call came.
    var hasStruck: Bool { state.withLock { $0.hasStruck } }

    /// Every call that came, by name and number.
    var calls: [FarCall] {
        state.withLock { $0.counts }.sorted { $0.key < $1.key }.flatMap { name, count in
            (1...count).map { FarCall(name: name, number: $0) }
        }
    }
}

/// A guard of the product that the test takes away.
enum FaultMutant: Sendable {
    /// The effect ledger knows nothing of earlier runs, and gives a new token each time.
    case effectsForgotten
    /// Messages are deleted when they are received, not when what they brought is committed.
    case deletedOnReceipt
}

/// What far sides and ledger of a test share: the plan, and what happens to clock and worker when a call hangs.
struct FaultPoint: Sendable {
    let plan: FaultPlan
    let hands: WorkerHands
    /// A guard that is left out, to show that the table notices.
    let mutant: FaultMutant?

    /// The time limit of a call to a far side, as its client has it.
    static let callLimit = Duration.seconds(30)

    struct WorkerDied: Error {}

    /// A call to a far side.
    func far<Value: Sendable>(_ name: String, _ call: () async throws -> Value) async throws -> Value {
        guard let way = plan.next(name) else { return try await call() }
        switch way {
        case .refusedBefore: throw FarSideError(.throttled, farCode: "RequestLimitExceeded", "slow down")
        case .answerLost:
            _ = try await call()
            throw FarSideError(.network, "the connection was reset before the answer came")
        case .hangs, .hangsHavingActed:
            if way == .hangsHavingActed { _ = try await call() }
            try await hands.clock.sleep(for: FaultPoint.callLimit)
            throw FarSideError(.network, "no answer within \(FaultPoint.callLimit)")
        case .workerDies:
            _ = try await call()
            await hands.die()
            throw WorkerDied()
        }
    }

    /// A call to the ledger. One that hangs does so for longer than the worker's lease: another takes its jobs.
    func ledger<Value: Sendable>(_ name: String, _ call: () async throws -> Value) async throws -> Value {
        if hands.isDead { throw QueueError(.unavailable, "this worker is dead") }
        guard let way = plan.next("ledger.\(name)") else { return try await call() }
        if way != .refusedBefore, way != .hangs { _ = try await call() }
        switch way {
        case .refusedBefore, .answerLost: break
        case .hangs, .hangsHavingActed: await hands.loseLease()
        case .workerDies:
            await hands.die()
            throw WorkerDied()
        }
        throw QueueError(.unavailable, "the ledger did not answer")
    }

    /// A call to the broker.
    func broker<Value: Sendable>(_ name: String, _ call: () async throws -> Value) async throws -> Value {
        guard let way = plan.next("broker.\(name)") else { return try await call() }
        if way != .refusedBefore, way != .hangs { _ = try await call() }
        switch way {
        case .refusedBefore, .answerLost: break
        case .hangs, .hangsHavingActed: try await hands.clock.sleep(for: .seconds(5))
        case .workerDies: await hands.die()
        }
        throw QueueError(.unavailable, "the broker did not answer")
    }
}
