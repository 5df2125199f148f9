import JobQueue

/// Turns many small writes into few transactions, without a timer: one flush is in flight, and whatever arrives
/// meanwhile is the next one. An idle system waits for nothing; a busy one commits hundreds at a time.
///
/// The caller that finds no flush under way leads: it flushes its own batch and hands the lead to a waiting caller.
actor GroupCommit<Item: Sendable, Answer: Sendable> {
    private enum Turn: Sendable {
        case answered([Answer])
        case lead
    }

    private struct Waiting {
        let items: [Item]
        let continuation: CheckedContinuation<Turn, any Error>
    }

    private let itemsMax: Int
    private let flush: @Sendable ([Item]) async throws -> [Answer]
    private var waiting: [Waiting] = []
    private var isFlushing = false

    /// - Parameters:
    ///   - itemsMax: the most items in one flush.
    ///   - flush: writes the items and answers each, in order. When it throws anything but `unavailable`, the callers
    ///     of that batch are flushed one by one, so that a bad item fails alone.
    init(itemsMax: Int, flush: @escaping @Sendable ([Item]) async throws -> [Answer]) {
        self.itemsMax = itemsMax
        self.flush = flush
    }

    /// Writes the items with whoever else writes now; returns after the commit.
    func submit(_ items: [Item]) async throws -> [Answer] {
        if items.isEmpty { return [] }
        if isFlushing {
            let turn = try await withCheckedThrowingContinuation {
                waiting.append(Waiting(items: items, continuation: $0))
            }
            if case .answered(let answers) = turn { return answers }
        }
        isFlushing = true
        // Runs that end at the same moment are on their way here: one turn for them, and they are in this flush.
        await Task.yield()
        var companions: [Waiting] = []
        var count = items.count
        while let next = waiting.first, count + next.items.count <= itemsMax {
            count += next.items.count
            companions.append(waiting.removeFirst())
        }
        defer { passTheLead() }
        guard !companions.isEmpty else { return try await flush(items) }
        do {
            var answers = try await flush(items + companions.flatMap(\.items))[...]
            let own = Array(answers.prefix(items.count))
            answers = answers.dropFirst(items.count)
            for companion in companions {
                companion.continuation.resume(returning: .answered(Array(answers.prefix(companion.items.count))))
                answers = answers.dropFirst(companion.items.count)
            }
            return own
        } catch let error as QueueError where error.code != .unavailable {
            for companion in companions {
                do {
                    companion.continuation.resume(returning: .answered(try await flush(companion.items)))
                } catch {
                    companion.continuation.resume(throwing: error)
                }
            }
            return try await flush(items)
        } catch {
            for companion in companions { companion.continuation.resume(throwing: error) }
            throw error
        }
    }

    private func passTheLead() {
        if waiting.isEmpty {
            isFlushing = false
        } else {
            waiting.removeFirst().continuation.resume(returning: .lead)
        }
    }
}
