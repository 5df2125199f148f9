import AWS
import Foundation
import HTTPClient
import Infrastructure
import JobQueue
import Logging

/// Proves that a customer's role cannot be assumed without its external id, nor with another: else anybody who knows the
/// role's name could have us act for them (the confused deputy).
struct ExternalIDProof {
    let base: AWSClient

    /// - Throws: `QueueError` `refused` when the role can be assumed; `FarSideError` when there is no clear answer.
    func run(_ registration: ClusterRegistration) async throws {
        guard let role = registration.roleARN else { return }
        for (externalID, how) in [(nil, "without an external id"), ("wrong-\(UUID().uuidString)", "with a wrong one")] {
            do {
                _ = try await base.assumeRole(
                    RoleRequest(
                        role: role, externalID: externalID, sessionName: "cloudoptim-check", duration: .seconds(900)))
            } catch let error as AWSError where error.code == .unauthorized {
                continue
            } catch let error as AWSError {
                throw FarSideError(error)
            }
            throw QueueError(
                .refused,
                "\(role) can be assumed \(how): demand sts:ExternalId in its trust policy (docker/onboarding/iam/trust.json)"
            )
        }
    }

    /// The same before a cluster is stored. Without credentials of our own there is nothing to prove with.
    static func run(_ registration: ClusterRegistration, _ settings: Settings, logger: Logger) async throws {
        let base: AWSClient
        do {
            base = try AWSClient(environment: settings.environment, transport: HTTPTransport(connectionsMax: 1))
        } catch let error as CredentialsError {
            logger.info(
                "the external id was not tried: no AWS credentials here; see `cloudoptim clusters check`",
                metadata: ["error": .string("\(error)")])
            return
        }
        try await ExternalIDProof(base: base).run(registration)
    }
}
