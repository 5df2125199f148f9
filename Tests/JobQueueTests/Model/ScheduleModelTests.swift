import Testing

/// `fire` between two leaders: each reads the row, decides, and fires what it read; an operator edits in between.
private struct ScheduleModel {
    enum Mutant: String, CaseIterable { case fireWithoutCompare, compareIgnoresEdits, enqueueOutsideTheTransaction }

    struct State: Hashable {
        var next = 0
        var edition = 0
        var isEnabled = true
        /// Per leader: the slot and edition it read; nil: nothing in hand.
        var read: [Reading?] = [nil, nil]
        /// Per leader: a slot it won and has not enqueued yet (only with a mutant).
        var won: [Int?] = [nil, nil]
        /// Jobs by slot.
        var jobs: [Int] = [0, 0, 0]
        var crashes = 1
        var edits = 2
    }

    struct Reading: Hashable {
        var slot: Int
        var edition: Int
    }

    var mutant: Mutant?

    func steps(from state: State) -> [(name: String, state: State, broken: String?)] {
        var steps: [(String, State, String?)] = []
        func step(_ name: String, _ change: (inout State) -> String?) {
            var next = state
            let broken = change(&next)
            steps.append((name, next, broken ?? (next.jobs.contains { $0 > 1 } ? "I9: two jobs of one slot" : nil)))
        }
        for leader in 0..<2 {
            if state.read[leader] == nil, state.won[leader] == nil, state.next < state.jobs.count, state.isEnabled {
                step("timetable by \(leader)") { next in
                    next.read[leader] = Reading(slot: next.next, edition: next.edition)
                    return nil
                }
            }
            if let read = state.read[leader] { step("fire by \(leader)") { fire(leader, read, &$0) } }
            if let slot = state.won[leader] {
                step("enqueue by \(leader)") { next in
                    next.won[leader] = nil
                    next.jobs[slot] += 1
                    return nil
                }
            }
            if state.crashes > 0 {
                step("leader \(leader) crashes") { next in
                    next.crashes -= 1
                    let lost = next.won[leader]
                    next.read[leader] = nil
                    next.won[leader] = nil
                    return lost.map { "I5: the job of slot \($0) is lost" }
                }
            }
        }
        if state.edits > 0 {
            step("an operator edits") { next in
                next.edits -= 1
                next.edition += 1
                return nil
            }
            step("an operator turns it off or on") { next in
                next.edits -= 1
                next.isEnabled.toggle()
                return nil
            }
        }
        return steps
    }

    private func fire(_ leader: Int, _ read: Reading, _ state: inout State) -> String? {
        state.read[leader] = nil
        let isSame = state.next == read.slot && state.edition == read.edition && state.isEnabled
        switch mutant {
        case .fireWithoutCompare: break
        case .compareIgnoresEdits: if state.next != read.slot { return nil }
        default: if !isSame { return nil }
        }
        state.next = read.slot + 1
        if mutant == .enqueueOutsideTheTransaction {
            state.won[leader] = read.slot
        } else {
            state.jobs[read.slot] += 1
        }
        return state.isEnabled && state.edition == read.edition || state.jobs[read.slot] > 1
            ? nil : "a slot fired after it was edited or turned off"
    }

    /// Every state; the first thing broken.
    func exhaust() -> (states: Int, broken: String?) {
        var seen: Set<State> = [State()]
        var queue = [State()]
        while let state = queue.popLast() {
            for step in steps(from: state) {
                if let broken = step.broken { return (seen.count, broken) }
                if seen.insert(step.state).inserted { queue.append(step.state) }
            }
        }
        return (seen.count, nil)
    }
}

@Suite("The model of the scheduler")
struct ScheduleModelTests {
    @Test("two leaders, crashes and edits: one job per slot, none lost, none fired after an edit (I9)")
    func correct() {
        let report = ScheduleModel().exhaust()
        #expect(report.broken == nil)
        #expect(report.states > 100)
    }

    @Test(
        "every guard that is left out is noticed",
        arguments: [
            ("fireWithoutCompare", ["I9", "a slot fired"]), ("compareIgnoresEdits", ["a slot fired"]),
            ("enqueueOutsideTheTransaction", ["I5"]),
        ])
    func mutants(_ name: String, _ wanted: [String]) throws {
        let mutant = try #require(ScheduleModel.Mutant(rawValue: name))
        let broken = ScheduleModel(mutant: mutant).exhaust().broken
        #expect(wanted.contains { broken?.hasPrefix($0) == true }, "found \(broken ?? "nothing")")
    }
}
