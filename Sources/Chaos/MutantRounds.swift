import Foundation
import JobQueue

/// Short rounds with one guard removed at a time: each must be noticed, and the same rounds with all guards must be clean.
struct MutantRounds: Sendable {
    private let seed: UInt64
    private let mutants: [Mutant]

    /// Reads `SEED` and `MUTANTS`.
    init(environment: [String: String]) throws {
        seed = try ChaosSettings(environment: environment.filter { $0.key == "SEED" }).seed
        mutants =
            try environment["MUTANTS"]?.split(separator: ",").map { name in
                guard let mutant = Mutant(rawValue: String(name)) else {
                    let known = Mutant.allCases.map(\.rawValue).joined(separator: ",")
                    throw QueueError(.invalid, "MUTANTS: found '\(name)', wanted some of \(known)")
                }
                return mutant
            } ?? Mutant.allCases
    }

    private func settings(_ mutant: Mutant?, faults: [Fault], withZombies: Bool) -> ChaosSettings {
        var settings = ChaosSettings(seed: seed, seconds: mutant?.seconds ?? 24, faults: faults)
        settings.mutant = mutant
        settings.workers = 3
        settings.leaseSeconds = 3
        settings.renewSeconds = 1
        settings.trustMarginSeconds = withZombies ? -60 : 0.75
        settings.pause = 3.0...5.0
        settings.stopSeconds = 8.0...9.0
        settings.convergeSeconds = mutant == .orphanNeverHandedBack ? 30 : 60
        settings.load = 0.7
        settings.farSide = mutant?.farSide ?? (faults.contains(.killWorker) ? .faulty : .well)
        if let mutant { settings.limitedSeconds = mutant.limitedSeconds }
        settings.isQuiet = true
        return settings
    }

    /// True when every mutant was caught and the rounds without one were clean.
    func run() async throws -> Bool {
        tell("SEED \(seed)")
        let servers = try Servers.start(".run/chaos/servers")
        var isClean = true
        for (name, faults, zombies) in [
            ("none", [Fault.killWorker, .dropPostgresReplies, .roll, .cutPostgres], false),
            ("none-zombies", [.stopWorker], true),
        ] {
            let report = try await Conductor(settings(nil, faults: faults, withZombies: zombies)).round(
                servers, name: name)
            let broken = report.violations.map { "\($0.name) \($0.count)" }.joined(separator: ", ")
            tell("\(broken.isEmpty ? "clean   " : "NOT CLEAN") with all guards (\(name)) \(broken)")
            for example in report.examples { tell("    \(example)") }
            isClean = isClean && broken.isEmpty
        }
        let caught = try await withThrowingTaskGroup(of: Bool.self) { rounds in
            var waiting = mutants[...]
            var caught = 0
            for mutant in waiting.prefix(Self.roundsAtOnce) { rounds.addTask { try await isCaught(mutant, servers) } }
            waiting = waiting.dropFirst(Self.roundsAtOnce)
            while let one = try await rounds.next() {
                caught += one ? 1 : 0
                if let next = waiting.popFirst() { rounds.addTask { try await isCaught(next, servers) } }
            }
            return caught
        }
        tell("SEED \(seed)")
        tell("\(mutants.count) mutants, \(caught) caught")
        return caught == mutants.count && isClean
    }

    /// Rounds share the servers: more would measure the machine.
    private static let roundsAtOnce = 3

    private func isCaught(_ mutant: Mutant, _ servers: Servers) async throws -> Bool {
        let settings = settings(mutant, faults: mutant.faults, withZombies: mutant.needsZombies)
        let report = try await Conductor(settings).round(servers, name: mutant.rawValue)
        let broken = report.violations.map { "\($0.name) \($0.count)" }.joined(separator: ", ")
        let isCaught = report.violations.contains { mutant.mustBreak.contains($0.name) }
        tell("\(isCaught ? "caught " : "MISSED ") \(mutant.rawValue): \(mutant.missing): \(broken)")
        return isCaught
    }
}
