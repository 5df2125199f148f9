import Foundation
import JobQueue
import Testing

@Suite("Ledger contract: effects (I10)", .serialized)
struct EffectContractTests {
    static func intent(_ effectClass: EffectClass = .token, request: String = #"{"size":"m5.large"}"#) -> EffectIntent {
        EffectIntent(
            key: "replace/c1/i-1/0", step: "launch", effectClass: effectClass, request: JSONText(text: request),
            tokenScope: "eu-central-1")
    }

    @Test(
        "a repeated run finds the same token and the frozen request, whatever it would send now",
        arguments: LedgerKind.allCases)
    func frozen(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            let id = try await scene.add()
            let first = try await scene.run(id, by: worker)
            let entry = try #require(try await scene.ledger.intend(Self.intent(), of: first))
            #expect(entry.isOfThisRun)
            #expect(entry.state == .intended)
            // SHA-256 of "replace/c1/i-1/0\neu-central-1", by sha256sum.
            #expect(entry.token == "8e738aaa66b08ebc409fa5fe19daa73c20f7e4e403e12df7d0aa675713da6a28")
            try await scene.die(worker)
            try await scene.subject.age(by: 5)
            let second = try await scene.run(id, by: try await scene.worker())
            let again = try #require(
                try await scene.ledger.intend(Self.intent(.idempotent, request: #"{"size":"m5.xlarge"}"#), of: second))
            #expect(!again.isOfThisRun)
            #expect(again.token == entry.token)
            #expect(again.effectClass == .token)
            #expect(try again.request.decode([String: String].self) == ["size": "m5.large"])
        }
    }

    @Test("a fenced run gets no intent", arguments: LedgerKind.allCases)
    func fenced(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let dead = try await scene.worker()
            let id = try await scene.add()
            let zombie = try await scene.run(id, by: dead)
            try await scene.die(dead)
            #expect(try await scene.ledger.intend(Self.intent(), of: zombie) == nil)
            try await scene.subject.age(by: 5)
            let run = try await scene.run(id, by: try await scene.worker())
            #expect(try await scene.ledger.intend(Self.intent(), of: zombie) == nil)
            #expect(
                try await scene.ledger.intend(Self.intent(), of: RunID(job: id, fence: run.fence, worker: dead)) == nil)
            #expect(try await scene.subject.effectState(Self.intent().key) == nil, "nothing was stored")
            #expect(try await scene.ledger.intend(Self.intent(), of: run)?.isOfThisRun == true)
        }
    }

    @Test(
        "the first answer stays: a late zombie overwrites nothing", arguments: LedgerKind.allCases,
        [EffectEntry.State.done, .refused])
    func firstAnswer(_ kind: LedgerKind, _ state: EffectEntry.State) async throws {
        try await scene(kind) { scene in
            let run = try await scene.run(try await scene.add(), by: try await scene.worker())
            _ = try await scene.ledger.intend(Self.intent(), of: run)
            try await scene.ledger.complete(
                effect: Self.intent().key, state: state, response: JSONText(text: #"{"n":1}"#))
            let other: EffectEntry.State = state == .done ? .refused : .done
            try await scene.ledger.complete(
                effect: Self.intent().key, state: other, response: JSONText(text: #"{"n":2}"#))
            let entry = try #require(try await scene.ledger.intend(Self.intent(), of: run))
            #expect(entry.state == state)
            #expect(try entry.response?.decode([String: Int].self) == ["n": 1])
        }
    }

    @Test(
        "an intent that was not sent can be withdrawn by the run that wrote it, and by nobody else",
        arguments: LedgerKind.allCases)
    func withdraw(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let dead = try await scene.worker()
            let id = try await scene.add()
            let first = try await scene.run(id, by: dead)
            let key = Self.intent().key
            _ = try await scene.ledger.intend(Self.intent(), of: first)
            try await scene.ledger.withdraw(effect: key, of: RunID(job: id, fence: first.fence + 1, worker: dead))
            #expect(try await scene.subject.effectState(key) == .intended)
            try await scene.ledger.withdraw(effect: key, of: first)
            #expect(try await scene.subject.effectState(key) == nil)
            _ = try await scene.ledger.intend(Self.intent(), of: first)
            try await scene.ledger.complete(effect: key, state: .done, response: .emptyObject)
            try await scene.ledger.withdraw(effect: key, of: first)
            #expect(try await scene.subject.effectState(key) == .done, "what was answered stays")
        }
    }

    @Test("an answer without an intent is no entry", arguments: LedgerKind.allCases)
    func unknown(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            try await scene.ledger.complete(effect: "nobody's", state: .done, response: .emptyObject)
            #expect(try await scene.subject.effectState("nobody's") == nil)
        }
    }

    @Test(
        "two runs that intend the same step at once get one entry, and one of them made it",
        arguments: LedgerKind.allCases)
    func sameKey(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            var runs: [RunID] = []
            for _ in 0..<6 { runs.append(try await scene.run(try await scene.add(), by: try await scene.worker())) }
            let entries = try await withThrowingTaskGroup(of: EffectEntry?.self) { group in
                for run in runs { group.addTask { try await scene.ledger.intend(Self.intent(), of: run) } }
                return try await group.reduce(into: [EffectEntry?]()) { $0.append($1) }
            }
            #expect(entries.compactMap { $0 }.count == 6)
            #expect(Set(entries.compactMap { $0?.token }).count == 1)
            #expect(entries.filter { $0?.isOfThisRun == true }.count == 1)
        }
    }
}
