import Foundation

/// What happens by itself, later.
enum TimerEvent: Sendable {
    case podStarts(cluster: String, key: ObjectKey, uid: String)
    case podStops(cluster: String, key: ObjectKey, uid: String)
    case memoryIsExceeded(cluster: String, key: ObjectKey, uid: String)
    case nodeJoins(cluster: String, instance: LaunchedInstance)
    case nodeBecomesReady(cluster: String, node: String)
    case interruptionDeadline(cluster: String, instanceID: String)
    case nodeStopsReporting(cluster: String, node: String, uid: String)
    case nodeIsRemoved(cluster: String, node: String, uid: String)
    case podsAreCollected(cluster: String, node: String)
}

/// World time and what is due in it. Real time plus an offset: advancing the offset makes timers due at once.
final class Timeline {
    private(set) var offset: TimeInterval = 0
    private var heap: [(due: Date, order: Int, event: TimerEvent)] = []
    private var order = 0

    var now: Date { Date().addingTimeInterval(offset) }
    var count: Int { heap.count }

    func advance(_ seconds: TimeInterval) { offset += seconds }

    func schedule(after seconds: TimeInterval, _ event: TimerEvent) {
        schedule(at: now.addingTimeInterval(seconds), event)
    }

    func schedule(at due: Date, _ event: TimerEvent) {
        order += 1
        heap.append((due, order, event))
        var child = heap.count - 1
        while child > 0, precedes(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// The earliest event that is due, removed.
    func popDue() -> TimerEvent? {
        guard let first = heap.first, first.due <= now else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var smallest = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && precedes(child, smallest) {
                smallest = child
            }
            if smallest == parent { break }
            heap.swapAt(parent, smallest)
            parent = smallest
        }
        return first.event
    }

    private func precedes(_ left: Int, _ right: Int) -> Bool {
        (heap[left].due, heap[left].order) < (heap[right].due, heap[right].order)
    }
}
