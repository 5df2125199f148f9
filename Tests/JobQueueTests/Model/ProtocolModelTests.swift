import Foundation
import Testing

@Suite("The protocol's model")
struct ProtocolModelTests {
    /// Small enough to visit every state, and together they show every rule.
    enum Small: String, CaseIterable, Sendable {
        case plain = "two jobs, two workers, a crash, a pause, a lost reply"
        case slot = "two jobs that share one slot"
        case key = "two jobs that share one key, with a failure and a cancel"
        case troubled = "one job with a slot: failing, cancelled, crashed and paused"
        case token = "one job with an effect of class A"
        case once = "one job with an effect of class C"
        case gap = "a gap of the ledger"

        var model: ProtocolModel {
            switch self {
            case .plain: ProtocolModel(budget: .init(crashes: 1, pauses: 1, losses: 1))
            case .slot: ProtocolModel(hasLimit: true, budget: .init(crashes: 1, pauses: 1, losses: 1))
            case .key: ProtocolModel(hasSharedKey: true, budget: .init(crashes: 1, losses: 1, failures: 1, cancels: 1))
            case .troubled:
                ProtocolModel(
                    jobCount: 1, hasLimit: true,
                    budget: .init(crashes: 1, pauses: 1, losses: 1, failures: 2, cancels: 1))
            case .token:
                ProtocolModel(jobCount: 1, effect: .token, budget: .init(crashes: 1, pauses: 1, losses: 2, failures: 1))
            case .once:
                ProtocolModel(jobCount: 1, effect: .once, budget: .init(crashes: 1, pauses: 1, losses: 2, failures: 1))
            case .gap: ProtocolModel(jobCount: 1, hasLimit: true, budget: .init(crashes: 1, pauses: 1, gaps: 1))
            }
        }
    }

    @Test(
        "every state of every small configuration keeps the invariants, and all jobs can always end",
        arguments: Small.allCases)
    func exhaustive(_ small: Small) throws {
        let report = Explorer(model: small.model).exhaust(statesMax: 400_000, checksProgress: true)
        #expect(report.broken == nil, "\(report.broken?.what ?? ""): \(report.broken?.trace ?? [])")
        #expect(report.stuck == nil, "\(report.stuck ?? [])")
        #expect(report.states > 1000, "the configuration shows too little: \(report.states) states")
    }

    @Test(
        "random walks through a large configuration keep the invariants",
        arguments: [ProtocolModel.EffectKind.token, .once])
    func random(_ effect: ProtocolModel.EffectKind) {
        let seed = UInt64(Date().timeIntervalSince1970 * 1000)
        var generator = SplitMix64(seed)
        let budget = ModelState.Budget(crashes: 3, pauses: 3, losses: 3, failures: 3, cancels: 1, gaps: 2)
        let model = ProtocolModel(effect: effect, hasLimit: true, hasSharedKey: true, budget: budget)
        let report = Explorer(model: model).walk(count: 300, length: 150, using: &generator)
        #expect(report.broken == nil, "seed \(seed), \(report.broken?.what ?? ""): \(report.broken?.trace ?? [])")
        #expect(report.steps > 3000)
    }

    /// Where a mutant shows, and what must be noticed there ("stuck": jobs that can never end).
    static let caught: [Mutant: (where: Small, what: String)] = [
        .settleWithoutFence: (.plain, "I4: settle"), .settleCountsEveryRequest: (.plain, "I14"),
        .slotsFreedByList: (.slot, "I8"),
        .keyReleasedEarly: (.key, "I11: a live job without its key"),
        .keyKeptWhenDead: (.key, "I11: a key outlives its job"),
        .enqueueWithoutKey: (.key, "I11: a live job without its key"), .claimWithoutFence: (.plain, "I2"),
        .scanIgnoresLeases: (.plain, "I7"), .claimWithoutSlot: (.slot, "I8: more slots"),
        .reapWithoutRecheck: (.plain, "I3: the reaper"), .reapBurnsAttempt: (.plain, "I13"),
        .reapIgnoresCancel: (.troubled, "a job that was asked to cancel"),
        .reapKeepsSlot: (.slot, "I8: a slot is held by no live run"),
        .gapWithoutExtend: (.gap, "I15"), .noOrphanHandBack: (.plain, "stuck"), .noScan: (.plain, "stuck"),
        .saveWithoutFence: (.plain, "I4: save"), .intendWithoutFence: (.token, "I4: intend"),
        .noEffectLedger: (.once, "I10: a call before its intent"),
        .effectSentAgain: (.once, "I10: an effect of class C"),
        .requestComputedAnew: (.token, "I10: the same token"), .completeWithoutGuard: (.token, "I10: a stored answer"),
    ]

    @Test("every guard that is left out is noticed", arguments: Mutant.allCases)
    func mutants(_ mutant: Mutant) throws {
        let wanted = try #require(Self.caught[mutant])
        var model = wanted.where.model
        model.mutant = mutant
        let report = Explorer(model: model).exhaust(statesMax: 400_000, checksProgress: wanted.what == "stuck")
        let found = report.broken?.what ?? (report.stuck == nil ? "nothing" : "stuck")
        #expect(found.hasPrefix(wanted.what), "'\(mutant.rawValue)': \(report.broken?.trace ?? [])")
    }
}
