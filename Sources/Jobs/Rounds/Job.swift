import Infrastructure
import JobQueue

/// One kind of work of the product: a loop of rounds, each *observe* (reads), *decide* (pure), *act* (by ActionRunner).
public protocol Job: Sendable {
    /// What a request may say.
    associatedtype Parameters: Codable & Sendable
    /// What a decision is made from: as JSON, what an uploaded engine is given.
    associatedtype Observation: Codable & Sendable
    /// The kind's name.
    static var kind: JobKind { get }
    /// Makes the job of one request.
    init(_ parameters: Parameters)
    /// Reads, and never changes anything.
    /// - Throws: `FarSideError` and `QueueError`; the run is retried as its jobspec says.
    func observe(_ context: JobContext) async throws -> Observation
    /// Decides: no clock, no random source, no I/O.
    /// - Throws: `QueueError` for input that can never be decided about.
    func decide(_ observation: Observation) throws -> Decision
}

extension Job {
    /// Decodes the parameters and makes the job.
    static func make(_ parameters: JSONText) throws -> any Job { Self(try parameters.decode(Parameters.self)) }

    /// One observation and the decision about it. Step 5 of 7 in a job's life: a round.
    ///
    /// A missing permission or an expired token may be mended while the job is retried; a far side that may not be called
    /// at all, or that is set up wrongly, is a matter for a person.
    /// - Parameter digests: whether the decision tells the digest of its observation.
    func round(_ context: JobContext, digests: Bool) async throws -> Decision {
        do {
            let observation = try await observe(context)
            var decision = try decide(observation)
            if digests, !decision.actions.isEmpty {
                decision.observationDigest = SHA256Digest.hex(of: try JSONText(encoding: observation).text)
            }
            return decision
        } catch let error as FarSideError {
            switch error.code {
            case .egressRefused, .badConfiguration:
                throw QueueError(.refused, "the far side cannot be read", underlying: error)
            case .throttled, .notFound, .conflict, .unauthorized, .forbidden, .noCapacity, .refused, .fault, .network,
                .tooLarge, .malformed:
                throw error
            }
        }
    }
}
