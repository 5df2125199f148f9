import Foundation
import Infrastructure

/// What to do about a container that was killed for its memory. Pure; domain-rules section 10.
public enum MemoryRaise: Hashable, Sendable, Codable {
    /// New values for the owner's template; a nil limit stays unset.
    case raise(request: Bytes, limit: Bytes?)
    /// Nothing now: the same question is asked again at the next run.
    case wait(reason: String)
    /// Nothing until a person looks.
    case stop(reason: Stop)

    /// Why a person has to look.
    public enum Stop: String, Hashable, Sendable, Codable {
        /// The time to the next kill did not grow with the limit.
        case leakSuspected = "leak-suspected"
        /// More raises in a day than the policy allows.
        case tooOften = "too-often"
        /// The limit would exceed the policy's multiple of the original, a limit range, a quota or every node.
        case bounded
    }

    /// What the answer is made from.
    public struct Question: Hashable, Sendable, Codable {
        /// The newest kill.
        public var kill: MemoryKill
        /// The container's size in its owner's template.
        public var size: ContainerSize
        /// Whether the pod's requests equal its limits: they stay equal.
        public var isGuaranteed: Bool
        /// The most memory that was measured; nil: not measured.
        public var peak: Bytes?
        /// What bounds the size.
        public var bounds: SizeBounds
        /// Raises of this container of this owner, oldest first.
        public var history: [MemoryRaiseRecord]
        /// Whether the owner's rollout is complete.
        public var isRolledOut: Bool
        /// World time.
        public var now: Date

        /// Asks.
        public init(
            kill: MemoryKill, size: ContainerSize, isGuaranteed: Bool = false, peak: Bytes? = nil,
            bounds: SizeBounds = SizeBounds(), history: [MemoryRaiseRecord] = [], isRolledOut: Bool = true, now: Date
        ) {
            self.kill = kill
            self.size = size
            self.isGuaranteed = isGuaranteed
            self.peak = peak
            self.bounds = bounds
            self.history = history
            self.isRolledOut = isRolledOut
            self.now = now
        }
    }

    /// Answers.
    public static func answer(_ question: Question, policy: OOMPolicy) -> MemoryRaise {
        let history = question.history
        if history.contains(where: { $0.kill.key == question.kill.key }) {
            return .wait(reason: "this kill was answered already")
        }
        if !question.isRolledOut { return .wait(reason: "the last rollout is not complete") }
        if let last = history.last {
            if question.kill.at <= last.at { return .wait(reason: "killed before the last raise") }
            if question.now.timeIntervalSince(last.at) < policy.cooldown.interval {
                return .wait(reason: "within the cooldown after the last raise")
            }
        }
        if isLeak(question, raises: policy.leakRaises) { return .stop(reason: .leakSuspected) }
        let today = history.count { question.now.timeIntervalSince($0.at) < 86_400 }
        if today >= policy.raisesPerDayMax { return .stop(reason: .tooOften) }
        return raised(question, policy: policy)
    }

    /// After so many raises in a row, the time to the kill has not grown once: more memory buys no time.
    private static func isLeak(_ question: Question, raises: Int) -> Bool {
        guard raises > 0, question.history.count >= raises else { return false }
        let lifetimes = (question.history.suffix(raises).map(\.kill) + [question.kill]).map(\.lifetime)
        let known = lifetimes.compactMap { $0 }
        guard known.count == lifetimes.count else { return false }
        return !zip(known, known.dropFirst()).contains { $1 > $0 }
    }

    private static func raised(_ question: Question, policy: OOMPolicy) -> MemoryRaise {
        func grown(_ value: Bytes) -> Int64 {
            let (least, overflow) = value.rawValue.addingReportingOverflow(policy.stepMin.rawValue)
            return max(SizeAdvice.scaled(value.rawValue, by: 1 + policy.step), overflow ? .max : least)
        }
        let peak = question.peak.map { SizeAdvice.scaled($0.rawValue, by: policy.peakMargin) } ?? 0
        guard let limit = question.size.memoryLimit else {
            // No limit: the node ran out. What it asks for decides who is killed and where it is placed.
            let old = question.size.memoryRequest ?? 0
            let wanted = SizeAdvice.wholeMebibytes(max(grown(old), peak))
            let original = question.history.first.map { $0.requestBefore ?? 0 } ?? old
            guard let request = bounded(wanted, above: old, original: original, question, policy) else {
                return .stop(reason: .bounded)
            }
            return .raise(request: Bytes(rawValue: request), limit: nil)
        }
        let original = question.history.first?.limitBefore ?? limit
        let wanted = SizeAdvice.wholeMebibytes(grown(limit))
        guard let newLimit = bounded(wanted, above: limit, original: original, question, policy) else {
            return .stop(reason: .bounded)
        }
        // A request that is not set is the limit.
        let old = question.size.memoryRequest ?? limit
        let isEqual = question.isGuaranteed || old == limit
        let request =
            isEqual
            ? newLimit
            : min(
                newLimit,
                SizeAdvice.wholeMebibytes(max(SizeAdvice.scaled(old.rawValue, by: 1 + policy.step), peak)))
        return .raise(request: Bytes(rawValue: request), limit: Bytes(rawValue: newLimit))
    }

    /// The value within its bounds; nil: they leave less than a real raise.
    private static func bounded(
        _ wanted: Int64, above old: Bytes, original: Bytes, _ question: Question, _ policy: OOMPolicy
    ) -> Int64? {
        var most = question.bounds.memoryMax?.rawValue ?? .max
        if original > 0 {
            // Of something small the multiple would not hold one least step: then as many steps count.
            let steps = SizeAdvice.scaled(policy.stepMin.rawValue, by: policy.growthMax)
            let (high, overflow) = original.rawValue.addingReportingOverflow(steps)
            most = min(most, max(SizeAdvice.scaled(original.rawValue, by: policy.growthMax), overflow ? .max : high))
        }
        // A raise to less than what the rule asks for would be killed again at once.
        return wanted <= most && wanted > old.rawValue ? wanted : nil
    }
}
