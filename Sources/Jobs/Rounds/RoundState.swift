import Infrastructure
import JobQueue

/// Where a job is between and within rounds: its checkpoint.
struct RoundState: Codable, Sendable {
    /// The form of this document: raised when an older program must not read it.
    static let version = 1

    var version = RoundState.version
    /// Rounds ended before this one.
    var round = 0
    /// This round's decision, once made: it is carried out to its end before anything is decided anew.
    var decision: Decision?
    /// What became of the last round's actions.
    var reports: [ActionReport] = []
    /// What the last round left for this one.
    var memory: JSONText?

    init() {}

    /// Goes on to the next round.
    mutating func advance(_ decision: Decision, _ reports: [ActionReport]) {
        round += 1
        self.decision = nil
        self.reports = reports
        memory = decision.memory
    }

    private struct Form: Decodable { var version: Int }

    /// Reads a checkpoint. One of another version, or one that cannot be read, makes the job observe anew: its effects
    /// are in the ledger under keys of business identity, so nothing is done twice.
    /// - Returns: the state, and why it starts anew where a checkpoint had to be left aside.
    static func restore(_ checkpoint: JSONText?) -> (state: RoundState, leftAside: String?) {
        guard let checkpoint else { return (RoundState(), nil) }
        do {
            let form = try checkpoint.decode(Form.self)
            guard form.version == version else {
                return (RoundState(), "checkpoint of version \(form.version), this program writes \(version)")
            }
            return (try checkpoint.decode(RoundState.self), nil)
        } catch {
            return (RoundState(), "unreadable checkpoint: \(error)")
        }
    }
}
