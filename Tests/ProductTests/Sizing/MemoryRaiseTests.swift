import Foundation
import Infrastructure
import Testing

@testable import Optimizer

@Suite("Raising memory")
struct MemoryRaiseTests {
    static let now = Date(timeIntervalSince1970: 1_800_000_000)

    static func kill(_ ago: Double, lifetime: Double? = 60, pod: String = "p") -> MemoryKill {
        let at = now.addingTimeInterval(-ago)
        return MemoryKill(
            podUID: pod, container: "main", at: at, startedAt: lifetime.map { at.addingTimeInterval(-$0) })
    }

    static func raise(_ ago: Double, from: Int64, to: Int64, lifetime: Double? = 60) -> MemoryRaiseRecord {
        MemoryRaiseRecord(
            kill: kill(ago + 10, lifetime: lifetime, pod: "old-\(ago)"), at: now.addingTimeInterval(-ago),
            limitBefore: .mebibytes(from), limitAfter: .mebibytes(to), requestBefore: .mebibytes(from),
            requestAfter: .mebibytes(to))
    }

    func answer(
        _ kill: MemoryKill = kill(30), request: Int64? = 200, limit: Int64? = 400, isGuaranteed: Bool = false,
        peak: Int64? = nil, most: Int64? = nil, history: [MemoryRaiseRecord] = [], isRolledOut: Bool = true
    ) -> MemoryRaise {
        var bounds = SizeBounds()
        bounds.memoryMax = most.map { .mebibytes($0) }
        return MemoryRaise.answer(
            MemoryRaise.Question(
                kill: kill,
                size: ContainerSize(
                    memoryRequest: request.map { .mebibytes($0) }, memoryLimit: limit.map { .mebibytes($0) }),
                isGuaranteed: isGuaranteed, peak: peak.map { .mebibytes($0) }, bounds: bounds, history: history,
                isRolledOut: isRolledOut, now: Self.now), policy: OOMPolicy())
    }

    static func raised(_ request: Int64, _ limit: Int64?) -> MemoryRaise {
        .raise(request: .mebibytes(request), limit: limit.map { .mebibytes($0) })
    }

    @Test("the limit grows by 20 % or 100 MiB, whichever is more, and the request with it")
    func rule() {
        #expect(answer() == Self.raised(240, 500))
        #expect(answer(request: 1000, limit: 1000) == Self.raised(1200, 1200))
        #expect(answer(request: 64, limit: 64) == Self.raised(164, 164))
        #expect(answer(isGuaranteed: true) == Self.raised(500, 500))
        #expect(answer(request: nil) == Self.raised(500, 500))
        // The request follows the measured peak, never beyond the limit.
        #expect(answer(peak: 300) == Self.raised(345, 500))
        #expect(answer(peak: 900) == Self.raised(500, 500))
    }

    @Test("without a limit the node ran out: the request grows alone")
    func noLimit() {
        #expect(answer(request: 200, limit: nil) == Self.raised(300, nil))
        #expect(answer(request: nil, limit: nil, peak: 400) == Self.raised(460, nil))
    }

    @Test(
        "a kill is answered once; nothing is done within the cooldown, during a rollout, or for a kill before the raise"
    )
    func waits() {
        let last = Self.raise(3600, from: 300, to: 400)
        var same = last
        same.kill = Self.kill(30)
        for waiting in [
            answer(history: [same]), answer(isRolledOut: false), answer(history: [Self.raise(300, from: 300, to: 400)]),
            answer(Self.kill(4000), history: [last]),
        ] {
            guard case .wait = waiting else {
                Issue.record("\(waiting)")
                continue
            }
        }
        #expect(answer(history: [last]) == Self.raised(240, 500))
    }

    @Test("a leak: two raises bought no time; three raises in a day; four times the original; a bound")
    func stops() {
        let two = [Self.raise(7200, from: 200, to: 300), Self.raise(3600, from: 300, to: 400)]
        #expect(answer(Self.kill(30, lifetime: 55), history: two) == .stop(reason: .leakSuspected))
        #expect(answer(Self.kill(30, lifetime: 90), history: two) == Self.raised(240, 500))
        #expect(answer(Self.kill(30, lifetime: nil), history: two) == Self.raised(240, 500), "unknown is no leak")
        let three = [Self.raise(10_000, from: 100, to: 200, lifetime: 10)] + two
        #expect(answer(Self.kill(30, lifetime: 90), history: three) == .stop(reason: .tooOften))
        let old = Self.raise(200_000, from: 90, to: 400)
        #expect(answer(history: [old]) == .stop(reason: .bounded), "500 is more than 90 and four steps of 100")
        #expect(answer(most: 450) == .stop(reason: .bounded))
        #expect(answer(most: 500) == Self.raised(240, 500))
    }

    @Test("whatever the sizes, a raise raises, keeps the request within the limit and ends", arguments: UInt64(1)...40)
    func property(seed: UInt64) {
        var chance = SleepYearTests.Chance(state: seed)
        var limit = Int64.random(in: 8...20_000, using: &chance)
        let original = limit
        var request = Int64.random(in: 4...limit, using: &chance)
        var history: [MemoryRaiseRecord] = []
        for step in 0..<50 {
            let at = Self.now.addingTimeInterval(Double(step) * 40_000)
            let kill = MemoryKill(podUID: "p\(step)", container: "main", at: at)
            let size = ContainerSize(memoryRequest: .mebibytes(request), memoryLimit: .mebibytes(limit))
            let answer = MemoryRaise.answer(
                MemoryRaise.Question(kill: kill, size: size, history: history, now: at.addingTimeInterval(30)),
                policy: OOMPolicy())
            guard case .raise(let newRequest, let newLimit?) = answer else {
                #expect(answer == .stop(reason: .bounded))
                #expect(limit > original, "not one raise was possible")
                return
            }
            #expect(
                newLimit.rawValue >= (limit + 100) << 20 && Double(newLimit.rawValue) >= Double(limit << 20) * 1.2 - 1)
            #expect(newRequest <= newLimit && newRequest.rawValue >= request << 20)
            #expect(newLimit.rawValue <= max(original * 4, original + 400) << 20)
            history.append(
                MemoryRaiseRecord(
                    kill: kill, at: at, limitBefore: .mebibytes(limit), limitAfter: newLimit,
                    requestBefore: .mebibytes(request), requestAfter: newRequest))
            limit = newLimit.rawValue >> 20
            request = newRequest.rawValue >> 20
        }
        Issue.record("seed \(seed): it never ends")
    }
}
