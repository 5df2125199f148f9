import Foundation
import Testing

@testable import Scheduler

@Suite("Slots that are due")
struct DueSlotsTests {
    private static func at(_ seconds: Double) -> Date { Date(timeIntervalSince1970: seconds) }

    @Test("lane 0 comes first, the others have a quarter of each take, and nothing comes before its time")
    func lanes() {
        var slots = DueSlots(
            (0..<1000).map { (Self.at(1), "nightly-\($0)", false) } + (0..<40).map { (Self.at(2), "poll-\($0)", true) })
        slots.insert(Self.at(9), "later", isUrgent: true)
        #expect(slots.first == Self.at(1))
        #expect(slots.take(dueAt: Self.at(0.5), atMost: 40).isEmpty)
        let first = slots.take(dueAt: Self.at(3), atMost: 40)
        #expect(first.count { $0.hasPrefix("poll") } == 30)
        #expect(first.count == 40)
        let second = slots.take(dueAt: Self.at(3), atMost: 40)
        #expect(second.count { $0.hasPrefix("poll") } == 10)
        #expect(second.count == 40)
        var rest: [String] = []
        while case let more = slots.take(dueAt: Self.at(3), atMost: 40), !more.isEmpty { rest += more }
        #expect(Set(first + second + rest).count == 1040)
        #expect(slots.first == Self.at(9))
    }

    @Test("within a lane the earliest comes first")
    func order() {
        let times = [5, 1, 4, 2, 3, 9, 7, 8, 6, 0]
        var slots = DueSlots(times.map { (Self.at(Double($0)), "\($0)", false) })
        #expect(slots.take(dueAt: Self.at(6), atMost: 4) == ["0", "1", "2", "3"])
        #expect(slots.take(dueAt: Self.at(6), atMost: 10) == ["4", "5", "6"])
    }
}
