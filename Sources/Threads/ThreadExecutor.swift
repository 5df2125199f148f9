import Foundation
import Glibc

/// Gives an actor a thread of its own, so that blocking C calls (libpq, hiredis, curl) never hold a thread of the shared pool.
///
/// An actor keeps one and returns it from `unownedExecutor`:
///
///     actor Connection {
///         private let executor = ThreadExecutor(name: "pg-claim")
///         nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
///     }
///
/// The thread ends by itself once the last reference is gone and everything that was enqueued has run. SIGPIPE is blocked
/// on it, so that writing to a connection that was closed is an error of the call and not the end of the process.
public final class ThreadExecutor: SerialExecutor {
    private let line: JobLine

    /// Starts the thread.
    /// - Parameter name: shown by `top -H` and debuggers; the first 15 bytes are used.
    public init(name: String) {
        let line = JobLine()
        self.line = line
        let thread = Thread { line.serve() }
        thread.start()
        // After the start: Foundation names only a thread that exists, and knows it for sure only here.
        thread.name = String(decoding: name.utf8.prefix(15), as: UTF8.self)
    }

    deinit { line.end() }

    /// Appends a job; jobs run one at a time in the order of arrival.
    public func enqueue(_ job: consuming ExecutorJob) {
        line.append(UnownedJob(job), keeping: self)
    }

    /// Traps when the caller is not on this executor's thread (`assumeIsolated` asks).
    public func checkIsolated() {
        precondition(line.isServedByCurrentThread, "not on the thread of this actor's executor")
    }
}

/// The jobs of one executor, and the loop that runs them.
///
/// `@unchecked Sendable`: every stored variable is read and written under `condition` only.
private final class JobLine: @unchecked Sendable {
    /// A waiting job holds its executor: it must outlive the job it runs, even when the job releases the actor.
    private struct Entry {
        let job: UnownedJob
        let executor: ThreadExecutor
    }

    private let condition = NSCondition()
    private var waiting: [Entry] = []
    private var ended = false
    private var thread: pthread_t?

    func append(_ job: UnownedJob, keeping executor: ThreadExecutor) {
        condition.lock()
        waiting.append(Entry(job: job, executor: executor))
        condition.signal()
        condition.unlock()
    }

    /// Called by the executor's deinit, possibly on its own thread: so it signals and never joins.
    func end() {
        condition.lock()
        ended = true
        condition.signal()
        condition.unlock()
    }

    var isServedByCurrentThread: Bool {
        condition.lock()
        defer { condition.unlock() }
        return thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false
    }

    func serve() {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGPIPE)
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
        condition.lock()
        thread = pthread_self()
        condition.unlock()
        while let batch = nextBatch() {
            for entry in batch {
                unsafe entry.job.runSynchronously(on: entry.executor.asUnownedSerialExecutor())
            }
        }
    }

    /// Waits for work; nil once the executor is gone and nothing waits.
    private func nextBatch() -> [Entry]? {
        condition.lock()
        defer { condition.unlock() }
        while waiting.isEmpty && !ended { condition.wait() }
        if waiting.isEmpty { return nil }
        let batch = waiting
        waiting = []
        return batch
    }
}
