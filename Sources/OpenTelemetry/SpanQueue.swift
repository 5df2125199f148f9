import Metrics
import Synchronization

/// Ended spans on their way out. Adding one never waits: when the queue is full the span is dropped and counted.
public final class SpanQueue: Sendable {
    private struct State {
        var spans: [FinishedSpan] = []
        var dropped = 0
        var sleeper: CheckedContinuation<Void, Never>?
        var isClosed = false
    }

    private let state = Mutex(State())
    private let spansMax: Int
    private let wakeAt: Int

    /// Makes a queue.
    /// - Parameters:
    ///   - spansMax: spans kept at most (`OTEL_BSP_MAX_QUEUE_SIZE`).
    ///   - batchMax: so many wake the exporter before its time (`OTEL_BSP_MAX_EXPORT_BATCH_SIZE`).
    public init(spansMax: Int = 2048, batchMax: Int = 512) {
        self.spansMax = spansMax
        wakeAt = min(spansMax, batchMax)
    }

    /// Spans that found no room since the start.
    public var dropped: Int { state.withLock { $0.dropped } }
    /// Spans that wait.
    public var count: Int { state.withLock { $0.spans.count } }

    func add(_ span: FinishedSpan) {
        let (isKept, sleeper) = state.withLock { state -> (Bool, CheckedContinuation<Void, Never>?) in
            guard state.spans.count < spansMax else {
                state.dropped += 1
                return (false, nil)
            }
            state.spans.append(span)
            guard state.spans.count >= wakeAt else { return (true, nil) }
            defer { state.sleeper = nil }
            return (true, state.sleeper)
        }
        sleeper?.resume()
        if !isKept { Counter(label: "spans_dropped_total", dimensions: [("reason", "queue_full")]).increment() }
    }

    func take(atMost count: Int) -> [FinishedSpan] {
        state.withLock { state in
            let batch = Array(state.spans.prefix(count))
            state.spans.removeFirst(batch.count)
            return batch
        }
    }

    /// Wakes whoever waits, now and from now on.
    func close() {
        let sleeper = state.withLock { state in
            state.isClosed = true
            defer { state.sleeper = nil }
            return state.sleeper
        }
        sleeper?.resume()
    }

    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Waits until a batch is there, the time is over, the queue is closed or the task is cancelled.
    func wait(atMost time: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                do { try await Task.sleep(for: time) } catch { return }  // cancelled: the batch came first
            }
            group.addTask { await self.waitForBatch() }
            await group.next()
            group.cancelAll()
        }
    }

    private func waitForBatch() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.isClosed || state.spans.count >= wakeAt || Task.isCancelled { return true }
                    state.sleeper = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            let sleeper = state.withLock { state in
                defer { state.sleeper = nil }
                return state.sleeper
            }
            sleeper?.resume()
        }
    }
}
