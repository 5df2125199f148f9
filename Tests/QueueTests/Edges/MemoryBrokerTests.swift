import JobQueue
import Testing

@Suite("Memory broker") struct MemoryBrokerTests {
    static let list = ReadyList(queue: "a", lane: .work)

    @Test("a flush loses lists and incarnation")
    func flush() async throws {
        let broker = MemoryBroker()
        try await broker.push([JobID()], to: Self.list)
        #expect(try await broker.plantIncarnation("a"))
        await broker.flush()
        #expect(try await broker.lengths(of: [Self.list]) == [0])
        #expect(try await broker.plantIncarnation("b"))
    }

    @Test("pushes are lost while told so")
    func lostPushes() async throws {
        let broker = MemoryBroker()
        await broker.losePushes(true)
        try await broker.push([JobID()], to: Self.list)
        await broker.losePushes(false)
        #expect(try await broker.take(from: [Self.list], atMost: 1, timeout: .zero).isEmpty)
        try await broker.push([JobID()], to: Self.list)
        #expect(try await broker.take(from: [Self.list], atMost: 1, timeout: .zero).count == 1)
    }

    @Test("going away ends waits with unavailable and streams of hints, and coming back works")
    func away() async throws {
        let broker = MemoryBroker()
        let hints = try await broker.hints()
        async let waiting = queueError {
            _ = try await broker.take(from: [Self.list], atMost: 1, timeout: .seconds(60))
        }
        await broker.goAway(true)
        #expect(try await waiting.code == .unavailable)
        for await _ in hints { Issue.record("no hint was sent") }
        #expect(try await queueError { try await broker.push([JobID()], to: Self.list) }.code == .unavailable)
        await broker.goAway(false)
        try await broker.push([JobID()], to: Self.list)
        #expect(try await broker.lengths(of: [Self.list]) == [1])
    }
}
