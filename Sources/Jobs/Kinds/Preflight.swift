import Infrastructure
import JobQueue

/// `preflight`: asks which permissions a cluster's roles have, without using them, and tells which features they allow.
public struct Preflight: Job {
    /// The kind's name.
    public static let kind: JobKind = "preflight"

    /// It takes none.
    public struct Parameters: Codable, Sendable {
        /// Asks for a check.
        public init() {}
    }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var cluster: ClusterID
        var answers: [PermissionAnswer]
    }

    /// Makes the job of one request.
    public init(_ parameters: Parameters) {}

    /// Asks both far sides.
    public func observe(_ context: JobContext) async throws -> Observation {
        let registration = try await context.registration()
        let cloud = try await context.cloud(registration).permissions(of: registration)
        let cluster = try await context.cluster(registration).permissions()
        return Observation(cluster: registration.id, answers: cloud + cluster)
    }

    /// One finding for each feature that lacks something.
    public func decide(_ observation: Observation) throws -> Decision {
        let report = PreflightReport(observation.answers)
        let lacking = report.features.filter { !$0.missing.isEmpty }
        return Decision(
            findings: lacking.map { line in
                Finding(
                    "permission-missing", cluster: observation.cluster, subject: line.feature.rawValue, .warning,
                    "The feature \(line.feature.rawValue) \(line.reach == .off ? "is off" : "only looks"): missing "
                        + "\(line.missing.prefix(20).joined(separator: ", ")). `cloudoptim clusters check "
                        + "\(observation.cluster)` prints the policy to add.")
            }, result: try JSONText(encoding: report))
    }
}
