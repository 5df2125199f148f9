import JobQueue
import TestSupport
import Testing
import Worker

@Suite("The room of a worker")
struct WorkerRoomTests {
    let scene = WorkerScene()

    @Test func keepsRoomForLaneZeroWhenEverythingElseIsFull() async throws {
        let urgent = WorkerScene.spec("urgent", lane: .interruption)
        for _ in 0..<40 { _ = try await scene.enqueue() }
        let started = Tally()
        try await scene.withWorker(
            [WorkerScene.spec(), urgent],
            handlers: [
                "job": { _ in
                    started.add()
                    try await Task.sleep(for: .seconds(60))
                    return .done
                }, "urgent": { _ in .done },
            ]
        ) { _ in
            try await eventually("ordinary slots are full") { started.value == 6 }
            let id = try await scene.enqueue(urgent)
            let ended = try await scene.end(of: id)
            #expect(ended.end == .done)
            #expect(started.value == 6)
        }
    }

    @Test func keepsOwnershipForLaneZeroHoweverMuchBulkWaits() async throws {
        let urgent = WorkerScene.spec("urgent", lane: .interruption)
        var small = WorkerScene()
        small.configuration.inFlightMax = 8
        let scene = small
        let bulk = Tally()
        let drains = Tally()
        try await scene.withWorker(
            [WorkerScene.spec(), urgent],
            handlers: [
                "job": { context in
                    bulk.add()
                    try await context.wait(for: .seconds(60))
                    return .done
                },
                "urgent": { context in
                    drains.add()
                    try await context.wait(for: .seconds(60))
                    return .done
                },
            ]
        ) { _ in
            for _ in 0..<10 { _ = try await scene.enqueue() }
            try await eventually("bulk has all of its room") { bulk.value == 8 }
            for _ in 0..<8 { _ = try await scene.enqueue(urgent) }
            try await eventually("each of lane 0 runs beside it") { drains.value == 8 }
            #expect(bulk.value == 8)
        }
    }

    @Test func givesItsSlotToOthersWhileAJobWaits() async throws {
        let waiting = WorkerScene.spec("waiting")
        for _ in 0..<6 { _ = try await scene.enqueue(waiting) }
        let waits = Tally()
        try await scene.withWorker(
            [WorkerScene.spec(), waiting],
            handlers: [
                "job": { _ in .done },
                "waiting": { context in
                    waits.add()
                    try await context.wait(for: .seconds(60))
                    return .done
                },
            ]
        ) { _ in
            try await eventually("all wait") { waits.value == 6 }
            let id = try await scene.enqueue()
            let ended = try await scene.end(of: id)
            #expect(ended.end == .done)
        }
    }
}
