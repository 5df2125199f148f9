import Foundation

/// `.run/demo/report.json`: the verdict for programs.
struct Report: Encodable, Sendable {
    struct Percentiles: Encodable, Sendable {
        var p50: Int?
        var p99: Int?
    }

    var verdict: String
    var checks: [Judge.Check]
    var jobsLost: Int
    var effectsDoubled: Int
    var nodesLate: Int
    var replacementsMissing: Int
    var replacementsDoubled: Int
    var pdbViolations: Int
    var warningToCordonMs: Percentiles
    var seed: UInt64
    var seconds: Double

    /// - Parameters:
    ///   - judge: of the interruptions; nil: they were not played.
    ///   - life: the checks of the second part.
    ///   - seconds: the whole run.
    init(_ judge: Judge?, life: [Judge.Check], seed: UInt64, seconds: Double) {
        checks = (judge?.checks ?? []) + life
        verdict = !checks.isEmpty && checks.allSatisfy(\.ok) ? "pass" : "fail"
        jobsLost = judge?.jobsLost.count ?? 0
        effectsDoubled = judge?.effectsDoubled ?? 0
        nodesLate = judge?.nodesLate ?? 0
        replacementsMissing = judge?.replacementsMissing ?? 0
        replacementsDoubled = judge?.replacementsDoubled ?? 0
        pdbViolations = judge?.evidence.state.pdbViolations.count ?? 0
        let times = judge?.cordonMilliseconds ?? []
        warningToCordonMs = Percentiles(p50: Judge.percentile(0.50, of: times), p99: Judge.percentile(0.99, of: times))
        self.seed = seed
        self.seconds = (seconds * 10).rounded() / 10
    }

    var isPass: Bool { verdict == "pass" }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(self).write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    /// The report of a demo that came to no verdict.
    struct Failure: Encodable, Sendable {
        var verdict = "fail"
        var error: String
        var checks: [Judge.Check] = []
        var seed: UInt64
        var seconds: Double

        func write(to path: String) throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try encoder.encode(self).write(to: URL(fileURLWithPath: path), options: .atomic)
        }
    }
}
