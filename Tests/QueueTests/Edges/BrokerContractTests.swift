import JobQueue
import Redis
import Testing

/// The worlds a Broker is tested in.
enum BrokerWorld: String, CaseIterable, CustomTestStringConvertible {
    case memory, plain, tls

    var testDescription: String { rawValue }

    /// A broker that shares nothing with any other test.
    func broker() throws -> any Broker {
        if self == .memory { return MemoryBroker() }
        return RedisBroker(try configuration(), prefix: TestServers.freshPrefix())
    }

    func configuration() throws -> RedisConfiguration {
        var configuration = try RedisConfiguration(
            url: TestServers.variable(self == .tls ? "TEST_REDIS_TLS_URL" : "TEST_REDIS_URL"))
        if self == .tls { configuration.caFile = try TestServers.variable("TEST_REDIS_CA_FILE") }
        return configuration
    }

    static let servers: [BrokerWorld] = [.plain, .tls]
}

extension TestServers {
    static func freshPrefix() -> String { "test-\(JobID())" }
}

@Suite("Broker contract") struct BrokerContractTests {
    static let urgent = ReadyList(queue: "a", lane: .interruption)
    static let ordinary = ReadyList(queue: "a", lane: .work)
    static let other = ReadyList(queue: "b", lane: .work)

    @Test("ids come out in the order they went in, and once", arguments: BrokerWorld.allCases)
    func order(_ world: BrokerWorld) async throws {
        let broker = try world.broker()
        let ids = (0..<10).map { _ in JobID() }
        try await broker.push(Array(ids[..<4]), to: Self.ordinary)
        try await broker.push(Array(ids[4...]), to: Self.ordinary)
        #expect(try await broker.take(from: [Self.ordinary], atMost: 7, timeout: .zero) == Array(ids[..<7]))
        #expect(try await broker.take(from: [Self.ordinary], atMost: 7, timeout: .zero) == Array(ids[7...]))
        #expect(try await broker.take(from: [Self.ordinary], atMost: 7, timeout: .zero).isEmpty)
    }

    @Test("the first list that has ids is taken from, and only that one", arguments: BrokerWorld.allCases)
    func firstList(_ world: BrokerWorld) async throws {
        let broker = try world.broker()
        let ids = (0..<3).map { _ in JobID() }
        try await broker.push([ids[0]], to: Self.other)
        try await broker.push([ids[1]], to: Self.ordinary)
        try await broker.push([ids[2]], to: Self.urgent)
        let lists = [Self.urgent, Self.ordinary, Self.other]
        #expect(try await broker.lengths(of: lists) == [1, 1, 1])
        for id in ids.reversed() { #expect(try await broker.take(from: lists, atMost: 10, timeout: .zero) == [id]) }
        #expect(try await broker.lengths(of: lists) == [0, 0, 0])
    }

    @Test("an id that was pushed twice comes out twice", arguments: BrokerWorld.allCases)
    func doubled(_ world: BrokerWorld) async throws {
        let broker = try world.broker()
        let id = JobID()
        try await broker.push([id, id], to: Self.ordinary)
        #expect(try await broker.take(from: [Self.ordinary], atMost: 5, timeout: .zero) == [id, id])
    }

    @Test("nothing to push, no lists and no room are no errors", arguments: BrokerWorld.allCases)
    func nothing(_ world: BrokerWorld) async throws {
        let broker = try world.broker()
        try await broker.push([], to: Self.ordinary)
        #expect(try await broker.lengths(of: []) == [])
        #expect(try await broker.take(from: [], atMost: 5, timeout: .zero).isEmpty)
        try await broker.push([JobID()], to: Self.ordinary)
        #expect(try await broker.take(from: [Self.ordinary], atMost: 0, timeout: .seconds(9)).isEmpty)
        #expect(try await broker.lengths(of: [Self.ordinary]) == [1])
    }

    @Test("ten thousand ids go through", arguments: BrokerWorld.allCases)
    func many(_ world: BrokerWorld) async throws {
        let broker = try world.broker()
        let ids = (0..<10_000).map { _ in JobID() }
        try await broker.push(ids, to: Self.ordinary)
        #expect(try await broker.lengths(of: [Self.ordinary]) == [10_000])
        var taken: [JobID] = []
        for _ in 0..<20 { taken += try await broker.take(from: [Self.ordinary], atMost: 500, timeout: .seconds(5)) }
        #expect(taken == ids)
    }

    @Test(
        "an empty list is waited for until the time is over", .timeLimit(.minutes(10)), arguments: BrokerWorld.allCases)
    func timeout(_ world: BrokerWorld) async throws {
        let broker = try world.broker()
        let started = ContinuousClock.now
        #expect(try await broker.take(from: [Self.ordinary], atMost: 5, timeout: .milliseconds(150)).isEmpty)
        let waited = ContinuousClock.now - started
        #expect(waited >= .milliseconds(140))
    }

    @Test("a push ends the wait of one who waits", arguments: BrokerWorld.allCases)
    func wake(_ world: BrokerWorld) async throws {
        let broker = try world.broker()
        let id = JobID()
        async let taken = broker.take(from: [Self.urgent, Self.ordinary], atMost: 5, timeout: .seconds(30))
        try await broker.push([id], to: Self.ordinary)
        #expect(try await taken == [id])
    }

    @Test("of many who wait, every id reaches exactly one", arguments: BrokerWorld.allCases)
    func manyTakers(_ world: BrokerWorld) async throws {
        let broker = try world.broker()
        let ids = (0..<400).map { _ in JobID() }
        let taken = try await withThrowingTaskGroup(of: [JobID].self) { group in
            for _ in 0..<6 {
                group.addTask {
                    var mine: [JobID] = []
                    while case let more = try await broker.take(from: [Self.ordinary], atMost: 7, timeout: .seconds(1)),
                        !more.isEmpty
                    { mine += more }
                    return mine
                }
            }
            for start in stride(from: 0, to: 400, by: 40) {
                try await broker.push(Array(ids[start..<start + 40]), to: Self.ordinary)
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(taken.count == 400)
        #expect(Set(taken) == Set(ids))
    }

    @Test("a cancelled take ends at once, and the broker goes on", arguments: BrokerWorld.allCases)
    func cancelled(_ world: BrokerWorld) async throws {
        let broker = try world.broker()
        let started = ContinuousClock.now
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await #expect(throws: CancellationError.self) {
                    _ = try await broker.take(from: [Self.ordinary], atMost: 5, timeout: .seconds(600))
                }
            }
            group.addTask {
                // Long enough for the take to be waiting in most runs; the outcome must be the same in all of them.
                _ = try? await broker.take(from: [Self.other], atMost: 1, timeout: .milliseconds(100))
                _ = try? await broker.publish(.pause)
            }
            await group.waitForTwoCancellingAfterFirst()
        }
        #expect(ContinuousClock.now - started < .seconds(120))
        let id = JobID()
        try await broker.push([id], to: Self.other)
        #expect(try await broker.take(from: [Self.other], atMost: 5, timeout: .seconds(5)) == [id])
    }

    @Test("the incarnation is planted once", arguments: BrokerWorld.allCases)
    func incarnation(_ world: BrokerWorld) async throws {
        let broker = try world.broker()
        #expect(try await broker.plantIncarnation("first"))
        #expect(try await !broker.plantIncarnation("second"))
    }

    @Test("every kind of hint reaches everybody who listens, in order", arguments: BrokerWorld.allCases)
    func hints(_ world: BrokerWorld) async throws {
        let broker = try world.broker()
        let sent: [ControlHint] = [.cancel(JobID()), .pause, .drain(JobID()), .timetable]
        let streams = [try await broker.hints(), try await broker.hints()]
        for hint in sent { try await broker.publish(hint) }
        for stream in streams {
            var received: [ControlHint] = []
            for await hint in stream {
                received.append(hint)
                if received.count == sent.count { break }
            }
            #expect(received == sent)
        }
    }

    @Test("a listener that is cancelled stops listening", arguments: BrokerWorld.allCases)
    func listenerCancelled(_ world: BrokerWorld) async throws {
        let broker = try world.broker()
        let stream = try await broker.hints()
        let started = ContinuousClock.now
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in stream {} }
            group.addTask { _ = try? await broker.take(from: [Self.other], atMost: 1, timeout: .milliseconds(50)) }
            await group.waitForTwoCancellingAfterFirst()
        }
        #expect(ContinuousClock.now - started < .seconds(120))
    }
}

extension TaskGroup<Void> {
    /// Lets the child that ends first end, cancels the other and waits for it.
    fileprivate mutating func waitForTwoCancellingAfterFirst() async {
        await next()
        cancelAll()
        await waitForAll()
    }
}
