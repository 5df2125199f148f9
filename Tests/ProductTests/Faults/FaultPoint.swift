import Infrastructure
import JobQueue
import TestSupport

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
