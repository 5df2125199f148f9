import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing
import Threads

/// Counts what lives, to see that it ends.
private final class Lives: Sendable {
    let count = Mutex(0)
    func add(_ number: Int) { count.withLock { $0 += number } }
    var now: Int { count.withLock { $0 } }
}

private actor Blocker {
    private let executor: ThreadExecutor
    private let lives: Lives
    private var calls = 0
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    init(_ name: String, _ lives: Lives = Lives()) {
        executor = ThreadExecutor(name: name)
        self.lives = lives
        lives.add(1)
    }

    deinit { lives.add(-1) }

    func block(_ milliseconds: UInt32) -> Int {
        usleep(milliseconds * 1000)  // a blocking C call is what this thread is for
        calls += 1
        return calls
    }

    func thread() -> UInt { pthread_self() }

    func threadName() throws -> String { try String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8) }

    nonisolated func assumeHere() -> Int { assumeIsolated { $0.calls } }

    func asked() -> Int { assumeHere() }
}

@Suite("Thread executor") struct ThreadExecutorTests {
    @Test("every call of one actor runs on its one thread, in turn, and no two actors share one")
    func oneThread() async throws {
        let actors = (0..<8).map { Blocker("t\($0)") }
        let threads = try await withThrowingTaskGroup(of: (Int, UInt).self) { group in
            for number in 0..<80 { group.addTask { (number % 8, await actors[number % 8].thread()) } }
            return try await group.reduce(into: [Int: Set<UInt>]()) { $0[$1.0, default: []].insert($1.1) }
        }
        #expect(threads.values.allSatisfy { $0.count == 1 })
        #expect(Set(threads.values.flatMap { $0 }).count == 8)
        #expect(try await actors[3].threadName() == "t3\n")
    }

    @Test("forty blocked actors block side by side and leave the shared pool free")
    func sideBySide() async {
        let started = ContinuousClock.now
        await withTaskGroup(of: Int.self) { group in
            for number in 0..<40 { group.addTask { await Blocker("b\(number)").block(1000) } }
            await group.waitForAll()
        }
        #expect(ContinuousClock.now - started < .seconds(10))  // 40 s one after the other, 20 s on a pool of two
    }

    @Test("calls of one actor never overlap")
    func inTurn() async {
        let actor = Blocker("turn")
        let results = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<50 { group.addTask { await actor.block(0) } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(results.sorted() == Array(1...50))
    }

    @Test("assumeIsolated holds on the thread")
    func isolated() async {
        #expect(await Blocker("assume").asked() == 0)
    }

    @Test("actors and their threads end when the last reference goes, also from their own thread")
    func ends() async throws {
        let lives = Lives()
        let kept = Blocker("short-lived", lives)
        for _ in 0..<20 {
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<10 { group.addTask { _ = await Blocker("short-lived", lives).block(0) } }
            }
        }
        #expect(await kept.block(0) == 1)
        #expect(lives.now == 1)
        try await eventually("all threads but the one in use are gone") { try threads() == 1 }
        #expect(try threads() == 1)
        #expect(await kept.block(0) == 2)
    }

    private func threads() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")
            .filter { (try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8)) == "short-lived\n" }
            .count
    }
}
