import Foundation
import JobQueue

/// What the nemesis can do.
enum Fault: String, CaseIterable, Sendable, Codable {
    case killWorker = "kill-worker"
    case stopWorker = "stop-worker"
    case killScheduler = "kill-scheduler"
    case stopScheduler = "stop-scheduler"
    case killLeaderAndWorker = "kill-leader-and-worker"
    case restartPostgres = "restart-postgres"
    case killBackends = "kill-backends"
    case restartRedis = "restart-redis"
    case flushRedis = "flush-redis"
    case cutPostgres = "cut-postgres"
    case cutRedis = "cut-redis"
    case delayPostgres = "delay-postgres"
    case delayRedis = "delay-redis"
    case dropPostgresReplies = "drop-postgres-replies"
    case dropRedisReplies = "drop-redis-replies"
    case exhaustConnections = "exhaust-connections"
    case roll
    case poison
}

/// One round of chaos: how long, with what, from which seed.
struct ChaosSettings: Sendable {
    var seed: UInt64
    /// How long faults and load go on.
    var seconds: Int
    var faults: [Fault]
    var workers = 4
    var schedulers = 2
    /// The pause between two faults, in seconds.
    var pause = 2.0...5.0
    /// How long a stopped process sleeps, in seconds: longer than lease and grace.
    var stopSeconds = 17.0...26.0
    var leaseSeconds = 12.0
    var renewSeconds = 4.0
    /// Below zero: a worker believes in its lease longer than the ledger does, so that fences stand alone.
    var trustMarginSeconds = 3.0
    /// Everything must have ended this long after the faults did.
    var convergeSeconds = 150.0
    /// The guard that is taken away; nil: none.
    var mutant: Mutant?
    var directory = ".run/chaos"
    /// Jobs per second are multiplied by it.
    var load = 1.0
    /// How the far side behaves.
    var farSide = FarSide.Temper.faulty
    /// How long jobs under a limit take, in seconds.
    var limitedSeconds = 0.6...2.6
    var isQuiet = false
    /// Whether the round begins with deaths while nothing else is broken.
    var hasPrelude = false

    init(seed: UInt64, seconds: Int, faults: [Fault]) {
        self.seed = seed
        self.seconds = seconds
        self.faults = faults
    }

    /// Reads `DURATION`, `SEED`, `FAULTS`, `LOAD`.
    /// - Throws: `QueueError` code `invalid`, naming the variable, what was found and what is wanted.
    init(environment: [String: String]) throws {
        let seed = try environment["SEED"].map { text in
            guard let seed = UInt64(text) else {
                throw QueueError(.invalid, "SEED: found '\(text)', wanted a whole number")
            }
            return seed
        }
        let text = environment["DURATION"] ?? "120"
        guard let seconds = Int(text), (5...86_400).contains(seconds) else {
            throw QueueError(.invalid, "DURATION: found '\(text)', wanted 5 to 86400 seconds")
        }
        var faults = Fault.allCases
        if let names = environment["FAULTS"], !names.isEmpty, names != "all" {
            faults =
                try names == "none"
                ? []
                : names.split(separator: ",").map { name in
                    guard let fault = Fault(rawValue: String(name)) else {
                        let known = Fault.allCases.map(\.rawValue).joined(separator: ",")
                        throw QueueError(.invalid, "FAULTS: found '\(name)', wanted none, all, or some of \(known)")
                    }
                    return fault
                }
        }
        self.init(seed: seed ?? UInt64.random(in: 1..<1_000_000), seconds: seconds, faults: faults)
        hasPrelude = seconds >= 100
        if let text = environment["LOAD"] {
            guard let load = Double(text), load > 0, load <= 100 else {
                throw QueueError(.invalid, "LOAD: found '\(text)', wanted a factor above 0 and up to 100")
            }
            self.load = load
        }
    }
}

/// SplitMix64: the same faults from the same seed. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
