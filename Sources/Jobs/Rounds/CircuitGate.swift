import Infrastructure
import JobQueue
import Synchronization

/// The way of one round to its far sides, through their circuits and rates. Lane 0 is never held: its calls are probes.
final class CircuitGate: Sendable {
    private let circuits: any Circuits
    private let job: ClaimedJob
    private let asked = Mutex<Set<FarSide>>([])

    /// A circuit is open, or a rate leaves no room: the job runs again after the time.
    struct Open: Error {
        let wait: Duration
        let why: String
    }

    init(_ circuits: any Circuits, _ job: ClaimedJob) {
        self.circuits = circuits
        self.job = job
    }

    /// Goes through, or throws `Open`. A round passes each far side once.
    func pass(_ side: FarSide) async throws {
        guard asked.withLock({ $0.insert(side).inserted }), job.lane != .interruption else { return }
        // Those that wait are not to come back all at the same moment.
        if let wait = try await circuits.wait(for: side, of: job.target) {
            asked.withLock { _ = $0.remove(side) }
            throw Open(
                wait: wait + .seconds(Double.random(in: 0..<2)),
                why: "\(side.rawValue) does not answer: waits for the next probe")
        }
        if let wait = try await circuits.room(for: side, of: job.target) {
            asked.withLock { _ = $0.remove(side) }
            throw Open(
                wait: max(.seconds(1), wait * Double.random(in: 1..<2)),
                why: "the operators' rate for \(side.rawValue) leaves no room: waits for a token")
        }
    }

    /// Every far side that was asked has answered.
    func noteSuccess() async throws {
        for side in asked.withLock({ $0 }) { try await circuits.noteSuccess(of: side, target: job.target) }
    }

    /// Notes what a round failed with. A failure that opened the circuit is told by a finding.
    func note(_ error: FarSideError) async throws -> Finding? {
        guard let side = error.side, error.isTrouble,
            try await circuits.noteFailure("\(error)", of: side, target: job.target)
        else { return nil }
        return Finding(
            "far-side-down", cluster: ClusterID(rawValue: job.target), subject: side.rawValue, .warning,
            "\(side.rawValue) of '\(job.target)' failed five times in a row, the last time with: \(error). Its jobs wait; it is "
                + "asked again every 30 s. Jobs of lane 0 go on trying.")
    }
}
