import Synchronization

/// How a far call goes wrong.
package enum FaultWay: String, Sendable, CaseIterable {
    /// It surely did nothing, and says so.
    case refusedBefore = "fails before it acts"
    /// It did its work, and the answer was lost on the way back.
    case answerLost = "acts, and its answer is lost"
    /// It did nothing, and the caller learns nothing until the call's time limit.
    case hangs = "hangs without having acted"
    /// It did its work, and the caller learns nothing until the call's time limit.
    case hangsHavingActed = "acts, and hangs"
    /// It did its work, and the worker that called dies at this instant.
    case workerDies = "acts, and the worker dies"
}

/// One far call of a run: the third eviction, the first claim.
package struct CountedCall: Hashable, Sendable, CustomStringConvertible {
    package let name: String
    /// Which of its name, counted from 1.
    package let number: Int

    package init(name: String, number: Int) {
        self.name = name
        self.number = number
    }

    package var description: String { "\(name) #\(number)" }
}

/// Counts far calls, and says which of them goes wrong how.
package final class FaultPlan: Sendable {
    private struct State {
        var counts: [String: Int] = [:]
        var hasStruck = false
    }

    package let fault: (call: CountedCall, way: FaultWay)?
    private let state = Mutex(State())

    package init(_ fault: (call: CountedCall, way: FaultWay)? = nil) { self.fault = fault }

    /// How the next call of this name goes wrong; nil: it does not.
    package func next(_ name: String) -> FaultWay? {
        state.withLock { state in
            let call = CountedCall(name: name, number: state.counts[name, default: 0] + 1)
            state.counts[name] = call.number
            guard let fault, fault.call == call else { return nil }
            state.hasStruck = true
            return fault.way
        }
    }

    /// Whether the planned call came.
    package var hasStruck: Bool { state.withLock { $0.hasStruck } }

    /// Every call that came, by name and number.
    package var calls: [CountedCall] {
        state.withLock { $0.counts }.sorted { $0.key < $1.key }.flatMap { name, count in
            (1...count).map { CountedCall(name: name, number: $0) }
        }
    }
}
