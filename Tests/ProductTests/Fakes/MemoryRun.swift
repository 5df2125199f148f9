import Foundation
import JobQueue
import Synchronization

/// The effect ledger in memory, shared by all runs of a test.
actor EffectBook {
    private var entries: [String: EffectEntry] = [:]
    private(set) var calls: [String: Int] = [:]

    /// The entry of an intent, written if it is new.
    func intend(_ intent: EffectIntent) -> EffectEntry {
        if var entry = entries[intent.key] {
            entry.isOfThisRun = false
            return entry
        }
        let token = String(
            (intent.key + intent.tokenScope).utf8.reduce(into: UInt64(5381)) { $0 = $0 &* 33 &+ UInt64($1) }, radix: 16)
        let entry = EffectEntry(
            key: intent.key, state: .intended, token: token, request: intent.request, response: nil,
            effectClass: intent.effectClass, isOfThisRun: true)
        entries[intent.key] = entry
        return entry
    }

    func count(_ key: String) { calls[key, default: 0] += 1 }

    func complete(_ key: String, _ state: EffectEntry.State, _ response: JSONText) {
        entries[key]?.state = state
        entries[key]?.response = response
    }

    func withdraw(_ key: String) { entries[key] = nil }
    func state(of key: String) -> EffectEntry.State? { entries[key]?.state }
    var keys: [String] { entries.keys.sorted() }
}

/// Runs a job without a worker: waits move the world's clock, checkpoints are kept, records go to the stores.
final class MemoryRun: JobRun {
    let world: FakeWorld
    let stores: MemoryStores
    let effects: EffectBook
    let saved = Mutex<[JSONText]>([])
    let lines = Mutex<[String]>([])
    /// Dies with this error at the n-th save, counted from 0.
    let failsAtSave: Int?
    /// Dies after the n-th effect was sent and before its answer is stored.
    let losesAnswerOf: String?

    init(
        world: FakeWorld, stores: MemoryStores, effects: EffectBook, failsAtSave: Int? = nil,
        losesAnswerOf: String? = nil
    ) {
        self.world = world
        self.stores = stores
        self.effects = effects
        self.failsAtSave = failsAtSave
        self.losesAnswerOf = losesAnswerOf
    }

    struct Died: Error {}

    /// What a next run resumes from.
    var lastCheckpoint: JSONText? { saved.withLock { $0.last } }

    var isDraining: Bool { false }
    func worldTime() async throws -> Date { await world.now }
    func wait(for duration: Duration) async throws { await world.advance(duration) }
    func leaveSlot() async {}
    func takeSlot() async throws {}
    func log(_ line: String) { lines.withLock { $0.append(line) } }

    func save(checkpoint: JSONText, records: [Record], progress: JobProgress?) async throws {
        let number = saved.withLock { $0.count }
        if number == failsAtSave { throw Died() }
        saved.withLock { $0.append(checkpoint) }
        try await stores.take(records)
    }

    func effect(
        _ intent: EffectIntent, call: @Sendable (EffectCall) async throws -> JSONText
    ) async throws -> JSONText {
        let entry = await effects.intend(intent)
        switch entry.state {
        case .done: return entry.response ?? .emptyObject
        case .refused: throw try (entry.response ?? .emptyObject).decode(EffectRefused.self)
        case .intended: break
        }
        if !entry.isOfThisRun, entry.effectClass == .once {
            throw QueueError(.outcomeUnknown, "sent once, answer lost")
        }
        await effects.count(intent.key)
        do {
            let answer = try await call(
                EffectCall(
                    key: entry.key, token: entry.token, request: entry.request, timeLeft: .seconds(30), traceparent: nil
                ))
            if intent.key == losesAnswerOf { throw Died() }
            await effects.complete(intent.key, .done, answer)
            return answer
        } catch let refused as EffectRefused {
            await effects.complete(intent.key, .refused, try JSONText(encoding: refused))
            throw refused
        } catch let error as EffectNotSent {
            await effects.withdraw(intent.key)
            throw QueueError(.transient, error.message)
        } catch  where entry.effectClass == .once {
            throw QueueError(.outcomeUnknown, "sent once, answer lost", underlying: error)
        }
    }
}
