import Foundation

/// Which slots come next. Those of lane 0 come first among those that are due, but leave a quarter of each take to the
/// others: ten thousand clusters' nightly work, due at one moment, does not make their polls late.
struct DueSlots {
    private var urgent: SlotHeap
    private var others: SlotHeap

    /// - Parameter slots: when, which, and whether it is lane 0's.
    init(_ slots: [(at: Date, id: String, isUrgent: Bool)] = []) {
        urgent = SlotHeap(slots.filter(\.isUrgent).map { ($0.at, $0.id) })
        others = SlotHeap(slots.filter { !$0.isUrgent }.map { ($0.at, $0.id) })
    }

    /// The earliest slot.
    var first: Date? { [urgent.first, others.first].compactMap { $0 }.min() }

    /// Adds a slot in O(log n).
    mutating func insert(_ at: Date, _ id: String, isUrgent: Bool) {
        if isUrgent { urgent.insert(at, id) } else { others.insert(at, id) }
    }

    /// Removes what is due, each kind in the order of its slots.
    mutating func take(dueAt now: Date, atMost most: Int) -> [String] {
        var ids: [String] = []
        let share = max(1, most - most / 4)
        func isDue(_ heap: SlotHeap) -> Bool { heap.first.map { $0 <= now } ?? false }
        while ids.count < most {
            let next: String?
            if isDue(urgent), ids.count < share || !isDue(others) {
                next = urgent.removeFirst()
            } else if isDue(others) {
                next = others.removeFirst()
            } else {
                next = nil
            }
            guard let next else { break }
            ids.append(next)
        }
        return ids
    }
}

/// A binary heap of slots, the earliest first.
struct SlotHeap {
    private var entries: [(slot: Date, id: String)] = []

    init(_ entries: [(Date, String)] = []) {
        self.entries = entries.map { ($0.0, $0.1) }
        for index in stride(from: self.entries.count / 2 - 1, through: 0, by: -1) { sink(index) }
    }

    /// The earliest slot.
    var first: Date? { entries.first?.slot }

    /// Adds a slot in O(log n).
    mutating func insert(_ slot: Date, _ id: String) {
        entries.append((slot, id))
        var index = entries.count - 1
        while index > 0, entries[index].slot < entries[(index - 1) / 2].slot {
            entries.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    /// Removes the earliest slot and returns its row's id; O(log n).
    mutating func removeFirst() -> String? {
        guard let first = entries.first else { return nil }
        let last = entries.removeLast()
        if !entries.isEmpty {
            entries[0] = last
            sink(0)
        }
        return first.id
    }

    private mutating func sink(_ start: Int) {
        var index = start
        while true {
            let children = [2 * index + 1, 2 * index + 2].filter { $0 < entries.count }
            guard let smallest = children.min(by: { entries[$0].slot < entries[$1].slot }),
                entries[smallest].slot < entries[index].slot
            else { return }
            entries.swapAt(index, smallest)
            index = smallest
        }
    }
}
