import AWS
import Foundation
import HTTPClient
import Infrastructure
import JobQueue
import Kubernetes
import Logging
import Sealing
import Stores

/// The real far sides: each cluster's Kubernetes API and AWS account, with the credentials of its own tenant.
actor LiveFarSides: FarSides {
    private struct Known {
        let registration: ClusterRegistration
        let client: KubernetesClient
        let madeAt: ContinuousClock.Instant
    }

    nonisolated let webhook: any Webhook
    private let transport: HTTPTransport
    private let clusters: ClusterStore
    private let egress: EgressPolicy
    private let limits: ClientLimits
    private let base: AWSClient?
    private let sessions: RoleSessions?
    private let missingCredentials: String
    private let logger: Logger
    private var known: [ClusterID: Known] = [:]

    /// A credential that was replaced is read again after this time.
    private static let keptFor = Duration.seconds(60)

    init(_ settings: Settings, clusters: ClusterStore, logger: Logger) throws {
        let transport = HTTPTransport(connectionsMax: 256)
        self.transport = transport
        self.clusters = clusters
        self.logger = logger
        egress = try settings.egress
        let (timeout, retries) = try settings.kubernetes
        var limits = ClientLimits()
        limits.timeout = timeout
        limits.retry.retriesMax = retries
        self.limits = limits
        var base: AWSClient?
        var missing = ""
        do {
            base = try AWSClient(environment: settings.environment, transport: transport)
        } catch let error as CredentialsError {
            missing = "\(error)"
            logger.warning("no AWS credentials: jobs that need AWS will fail", metadata: ["error": .string("\(error)")])
        }
        self.base = base
        sessions = base.map { RoleSessions(base: $0) }
        missingCredentials = missing
        webhook = SignedWebhook(transport: transport, egress: try settings.egress, secrets: try settings.notifySecrets)
    }

    func cluster(_ registration: ClusterRegistration) async throws -> any Cluster {
        if let found = known[registration.id], found.registration == registration,
            found.madeAt > .now - Self.keptFor
        {
            return remote(found.client)
        }
        let credential = try await clusters.credential(of: registration.id, for: registration.tenant)
        let client: KubernetesClient
        do {
            client = KubernetesClient(
                connection: try ClusterConnection(
                    endpoint: registration.endpoint, authorityPEM: registration.authority,
                    credential: .token(credential.token)),
                egress: egress, limits: limits, transport: transport)
        } catch let error as KubernetesError {
            throw FarSideError(.badConfiguration, "cluster '\(registration.id)': \(error)")
        }
        known[registration.id] = Known(registration: registration, client: client, madeAt: .now)
        return remote(client)
    }

    private func remote(_ client: KubernetesClient) -> RemoteCluster {
        RemoteCluster(client, options: CallOptions(isUrgent: FarCall.isUrgent), logger: logger)
    }

    func cloud(_ registration: ClusterRegistration, session: String) async throws -> any Cloud {
        EC2Cloud(client: try await client(registration, session: session))
    }

    func queue(_ registration: ClusterRegistration, session: String) async throws -> any MessageQueue {
        guard let url = registration.queueURL else {
            throw FarSideError(.badConfiguration, "cluster '\(registration.id)' has no queue")
        }
        return SQSQueue(client: try await client(registration, session: session), url: url)
    }

    func market(region: String, session: String) async throws -> any Market {
        guard let base else { throw FarSideError(.badConfiguration, missingCredentials) }
        return AWSMarket(client: base.inRegion(region), egress: egress)
    }

    /// Proves that the cluster's role wants its external id.
    func proveExternalID(_ registration: ClusterRegistration) async throws {
        guard let base else { throw FarSideError(.badConfiguration, missingCredentials) }
        try await ExternalIDProof(base: base).run(registration)
    }

    private func client(_ registration: ClusterRegistration, session: String) async throws -> AWSClient {
        guard let base, let sessions else {
            throw FarSideError(.badConfiguration, missingCredentials)
        }
        guard let role = registration.roleARN else {
            return base.inRegion(registration.region)
        }
        return await sessions.client(
            RoleRequest(role: role, externalID: registration.externalID, sessionName: session),
            region: registration.region)
    }
}

/// Posts to webhooks, signed where a secret is named.
struct SignedWebhook: Webhook {
    let transport: HTTPTransport
    let egress: EgressPolicy
    let secrets: [String: String]

    func post(_ delivery: WebhookDelivery, key: String) async throws -> Int {
        var headers = [(name: "Content-Type", value: "application/json"), (name: "Idempotency-Key", value: key)]
        if let name = delivery.signingSecret {
            guard let secret = secrets[name] else {
                throw FarSideError(.badConfiguration, "no secret '\(name)' in NOTIFY_SECRETS")
            }
            let signature = MessageAuthentication.sha256(key: Array(secret.utf8), message: Array(delivery.body.utf8))
            headers.append((name: "X-CloudOptim-Signature", value: "sha256=\(signature)"))
        }
        let request = HTTPRequest(
            method: "POST", url: delivery.url, headers: headers, body: Array(delivery.body.utf8), timeout: .seconds(10),
            responseBytesMax: 65_536, egress: egress)
        let response: HTTPResponse
        do {
            response = try await transport.send(request)
        } catch let error as HTTPError {
            throw FarSideError(error.code == .egressRefused ? .egressRefused : .network, error.message)
        }
        switch response.status {
        case 200...299: return response.status
        case 408, 429: throw FarSideError(.throttled, "the webhook answered \(response.status)")
        case 400...499:
            throw FarSideError(.refused, farCode: "\(response.status)", "the webhook answered \(response.status)")
        default: throw FarSideError(.fault, "the webhook answered \(response.status)")
        }
    }
}
