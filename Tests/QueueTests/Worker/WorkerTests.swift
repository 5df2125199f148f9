import Foundation
import JobQueue
import TestSupport
import Testing
import Worker

@Suite("A worker")
struct WorkerTests {
    let scene = WorkerScene()

    @Test func runsAJobToDoneAndKeepsItsResult() async throws {
        let id = try await scene.enqueue()
        try await scene.withWorker(handlers: ["job": { _ in Outcome(result: JSONText(text: #"{"ok":true}"#)) }]) { _ in
            let row = try await scene.end(of: id)
            #expect(row.end == .done)
            #expect(row.result == JSONText(text: #"{"ok":true}"#))
            #expect(row.attempt == 1)
        }
    }

    @Test func retriesAPassingFailureAndGivesUpAfterTheLastAttempt() async throws {
        let id = try await scene.enqueue()
        let runs = Tally()
        try await scene.withWorker(handlers: [
            "job": { _ in
                runs.add()
                throw QueueError(.transient, "not today")
            }
        ]) { _ in
            let row = try await scene.end(of: id)
            #expect(row.end == .dead)
            #expect(row.attempt == 3)
            #expect(runs.value == 3)
            #expect(row.lastError?.text.contains("not today") == true)
        }
    }

    @Test func neverRetriesAPermanentError() async throws {
        let id = try await scene.enqueue()
        let runs = Tally()
        try await scene.withWorker(handlers: [
            "job": { _ in
                runs.add()
                throw QueueError(.invalid, "wrong for ever")
            }
        ]) { _ in
            let ended = try await scene.end(of: id)
            #expect(ended.end == .dead)
            #expect(runs.value == 1)
        }
    }

    @Test func runsASnoozedJobAgainFromItsCheckpointAtNoCost() async throws {
        let id = try await scene.enqueue()
        try await scene.withWorker(handlers: [
            "job": { context in
                if context.job.checkpoint != nil { return .done }
                try await context.save(checkpoint: JSONText(text: #"{"step":1}"#))
                return Outcome(againAfter: .milliseconds(10))
            }
        ]) { _ in
            let row = try await scene.end(of: id)
            #expect(row.end == .done)
            #expect(row.snoozes == 1)
            #expect(row.attempt == 1)
            #expect(row.fence == 2)
        }
    }

    @Test func stopsARunningJobThatSomebodyCancelled() async throws {
        let id = try await scene.enqueue()
        try await scene.withWorker(handlers: [
            "job": { context in
                try await context.wait(for: .seconds(60))
                return .done
            }
        ]) { _ in
            try await eventually("job runs") { await scene.ledger.row(id)?.state == .running }
            #expect(await scene.ledger.cancel(id, by: "test") == .asked)
            let ended = try await scene.end(of: id)
            #expect(ended.end == .cancelled)
        }
    }

    @Test func cancelsAJobThatIsTooLateInsteadOfRunningIt() async throws {
        let id = try await scene.enqueue(
            WorkerScene.spec(), JobRequest("job", startBefore: .milliseconds(1)))
        await scene.ledger.advance(bySeconds: 1)
        let runs = Tally()
        try await scene.withWorker(handlers: [
            "job": { _ in
                runs.add()
                return .done
            }
        ]) { _ in
            let ended = try await scene.end(of: id)
            #expect(ended.end == .cancelled)
            #expect(runs.value == 0)
        }
    }

    @Test func handsAWaitingJobBackOnADeployAtNoCost() async throws {
        let id = try await scene.enqueue()
        try await scene.withWorker(handlers: [
            "job": { context in
                try await context.wait(for: .seconds(60))
                return .done
            }
        ]) { _ in
            try await eventually("job runs") { await scene.ledger.row(id)?.state == .running }
        }
        let row = try #require(await scene.ledger.row(id))
        #expect(row.state == .queued)
        #expect(row.attempt == 0)
        #expect(row.interrupts == 1)
    }

    @Test func handsBackAHandlerThatIgnoresTheDrainOnceItsTimeIsOver() async throws {
        let id = try await scene.enqueue()
        try await scene.withWorker(handlers: [
            "job": { _ in
                try await Task.sleep(for: .seconds(60))
                return .done
            }
        ]) { _ in
            try await eventually("job runs") { await scene.ledger.row(id)?.state == .running }
        }
        let row = try #require(await scene.ledger.row(id))
        #expect(row.state == .queued)
        #expect(row.interrupts == 1)
        #expect(row.attempt == 0)
    }

    @Test func dropsTheResultOfAJobThatAnotherWorkerOwnsByNow() async throws {
        let id = try await scene.enqueue()
        try await scene.withWorker(handlers: [
            "job": { context in
                if context.job.fence > 1 { return Outcome(result: JSONText(text: #"{"run":2}"#)) }
                while !Task.isCancelled { await Task.yield() }
                return Outcome(result: JSONText(text: #"{"run":1}"#))
            }
        ]) { _ in
            try await eventually("job runs") { await scene.ledger.row(id)?.state == .running }
            await scene.ledger.advance(bySeconds: 60)  // the lease ends for the ledger, not for the worker's own clock
            _ = await scene.ledger.reap(atMost: 10)
            let row = try await scene.end(of: id)
            #expect(row.result == JSONText(text: #"{"run":2}"#))
        }
    }

    @Test func stopsAJobAtItsDeadlineAndRetriesIt() async throws {
        let id = try await scene.enqueue(WorkerScene.spec(timeout: 1))
        try await scene.withWorker(
            [WorkerScene.spec(timeout: 1)],
            handlers: [
                "job": { context in
                    if context.job.attempt == 2 { return .done }
                    try await Task.sleep(for: .seconds(60))
                    return .done
                }
            ]
        ) { _ in
            let row = try await scene.end(of: id)
            #expect(row.end == .done)
            #expect(row.attempt == 2)
            #expect(row.lastError?.text.contains("deadline") == true)
        }
    }

    @Test func refusesAnOutcomeThatIsTooLargeAndSaysSo() async throws {
        let id = try await scene.enqueue()
        try await scene.withWorker(handlers: [
            "job": { _ in Outcome(result: JSONText(text: "\"" + String(repeating: "x", count: 300_000) + "\"")) }
        ]) { _ in
            let row = try await scene.end(of: id)
            #expect(row.end == .dead)
            #expect(row.lastError?.text.contains("result: found 300002 bytes") == true)
        }
    }
}

@Suite("An effect")
struct WorkerEffectTests {
    let scene = WorkerScene()

    private func intent(_ effectClass: EffectClass) -> EffectIntent {
        EffectIntent(key: "pay/17", step: "pay", effectClass: effectClass, request: JSONText(text: #"{"amount":5}"#))
    }

    @Test(arguments: EffectClass.allCases)
    func isSentOnceWhenTheJobRunsTwice(_ effectClass: EffectClass) async throws {
        let id = try await scene.enqueue()
        let sent = Tally()
        try await scene.withWorker(handlers: [
            "job": { context in
                let answer = try await context.effect(intent(effectClass)) { call in
                    sent.add()
                    #expect(call.token.count == 64)
                    return JSONText(text: #"{"paid":5}"#)
                }
                #expect(answer == JSONText(text: #"{"paid":5}"#))
                if context.job.attempt == 1 { throw QueueError(.transient, "crash after the effect") }
                return .done
            }
        ]) { _ in
            let ended = try await scene.end(of: id)
            #expect(ended.end == .done)
            #expect(sent.value == 1)
        }
    }

    @Test func isSentAgainWithTheSameTokenAndTheFrozenRequestAfterALostAnswer() async throws {
        let id = try await scene.enqueue()
        let calls = AsyncStream<EffectCall>.makeStream()
        try await scene.withWorker(handlers: [
            "job": { context in
                var own = intent(.token)
                own.request = JSONText(text: #"{"amount":\#(context.job.attempt)}"#)
                _ = try await context.effect(own) { call in
                    calls.continuation.yield(call)
                    if context.job.attempt == 1 { throw QueueError(.transient, "the answer was lost") }
                    return .emptyObject
                }
                return .done
            }
        ]) { _ in
            let ended = try await scene.end(of: id)
            #expect(ended.end == .done)
            calls.continuation.finish()
            var seen: [EffectCall] = []
            for await call in calls.stream { seen.append(call) }
            #expect(seen.count == 2)
            #expect(Set(seen.map(\.token)).count == 1)
            #expect(Set(seen.map(\.request)) == [JSONText(text: #"{"amount":1}"#)])
        }
    }

    @Test func ofClassOnceParksItsJobWhenTheAnswerIsLost() async throws {
        let id = try await scene.enqueue()
        let sent = Tally()
        try await scene.withWorker(handlers: [
            "job": { context in
                _ = try await context.effect(intent(.once)) { _ in
                    sent.add()
                    throw QueueError(.transient, "the answer was lost")
                }
                return .done
            }
        ]) { _ in
            let row = try await scene.end(of: id)
            #expect(row.end == .dead)
            #expect(row.reason == "outcome unknown")
            #expect(sent.value == 1)
        }
    }

    @Test func ofClassOnceIsTriedAgainWhenItSurelyNeverLeft() async throws {
        let id = try await scene.enqueue()
        try await scene.withWorker(handlers: [
            "job": { context in
                _ = try await context.effect(intent(.once)) { _ in
                    if context.job.attempt == 1 { throw EffectNotSent("connection refused") }
                    return .emptyObject
                }
                return .done
            }
        ]) { _ in
            let ended = try await scene.end(of: id)
            #expect(ended.end == .done)
        }
    }

    @Test func thatWasRefusedIsRefusedAgainWithoutBeingSent() async throws {
        let id = try await scene.enqueue()
        let sent = Tally()
        try await scene.withWorker(handlers: [
            "job": { context in
                do {
                    _ = try await context.effect(intent(.token)) { _ in
                        sent.add()
                        throw EffectRefused(code: "NoCapacity", message: "none left")
                    }
                } catch let refusal as EffectRefused {
                    #expect(refusal.code == "NoCapacity")
                    if context.job.attempt == 1 { throw QueueError(.transient, "again") }
                }
                return .done
            }
        ]) { _ in
            let ended = try await scene.end(of: id)
            #expect(ended.end == .done)
            #expect(sent.value == 1)
        }
    }
}

@Suite("A lost answer of the ledger")
struct LostAnswerTests {
    @Test func toAClaimIsFoundByTwoRenewalsAndHandedBack() async throws {
        let scene = WorkerScene()
        let id = try await scene.enqueue()
        let losing = LosingLedger(scene.ledger, losesFirstClaim: true)
        try await scene.withWorker(handlers: ["job": { _ in .done }], ledger: losing) { _ in
            let row = try await scene.end(of: id)
            #expect(row.end == .done)
            #expect(row.interrupts == 1)
            #expect(row.attempt == 1)
        }
    }

    @Test func toASettlementIsAskedForAgainAndTakenAsSettled() async throws {
        let scene = WorkerScene()
        let id = try await scene.enqueue()
        let runs = Tally()
        let losing = LosingLedger(scene.ledger, losesFirstSettlement: true)
        try await scene.withWorker(
            handlers: [
                "job": { _ in
                    runs.add()
                    return .done
                }
            ], ledger: losing
        ) { _ in
            let ended = try await scene.end(of: id)
            #expect(ended.end == .done)
        }
        #expect(runs.value == 1)
    }
}
