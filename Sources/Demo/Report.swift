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

    init(_ judge: Judge, seed: UInt64) {
        checks = judge.checks
        verdict = checks.allSatisfy(\.ok) ? "pass" : "fail"
        jobsLost = judge.jobsLost.count
        effectsDoubled = judge.effectsDoubled
        nodesLate = judge.nodesLate
        replacementsMissing = judge.replacementsMissing
        replacementsDoubled = judge.replacementsDoubled
        pdbViolations = judge.evidence.state.pdbViolations.count
        let times = judge.cordonMilliseconds
        warningToCordonMs = Percentiles(p50: Judge.percentile(0.50, of: times), p99: Judge.percentile(0.99, of: times))
        self.seed = seed
        seconds = (judge.evidence.seconds * 10).rounded() / 10
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
