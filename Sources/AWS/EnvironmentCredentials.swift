import Foundation
import HTTPClient

/// Credentials by the standard names of the environment, in the order of the AWS SDKs: keys, web identity (IRSA),
/// container endpoint (EKS pod identity).
enum EnvironmentCredentials {
    struct Context: Sendable {
        var environment: [String: String]
        var transport: HTTPTransport
        var endpoints: AWSEndpoints
        var region: String
        var timing: CallTiming
        var readFile: @Sendable (String) throws -> String
    }

    static func source(_ context: Context) throws -> CredentialsSource {
        func value(_ name: String) -> String? { context.environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        let now = context.timing.now
        switch (value("AWS_ACCESS_KEY_ID"), value("AWS_SECRET_ACCESS_KEY")) {
        case (let id?, let secret?):
            return CredentialsSource(
                AWSCredentials(accessKeyID: id, secretAccessKey: secret, sessionToken: value("AWS_SESSION_TOKEN")))
        case (nil, nil):
            break
        default:
            throw CredentialsError(
                description: "only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set; set both or neither")
        }
        if let file = value("AWS_WEB_IDENTITY_TOKEN_FILE") {
            guard let role = value("AWS_ROLE_ARN") else {
                throw CredentialsError(description: "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not")
            }
            let session = value("AWS_ROLE_SESSION_NAME") ?? "cloudoptim"
            return CredentialsSource(now: now) {
                try await webIdentity(context, file: file, role: role, session: session)
            }
        }
        if let address = value("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
            try checkContainerAddress(address)
            let tokenFile = value("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
            let token = value("AWS_CONTAINER_AUTHORIZATION_TOKEN")
            return CredentialsSource(now: now) {
                let token = try tokenFile.map { try read(context, $0) } ?? token
                return try await container(context, address: address, token: token)
            }
        }
        throw CredentialsError(
            description: "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run with a service "
                + "account that has a role (IRSA or EKS pod identity)")
    }

    private static func read(_ context: Context, _ file: String) throws -> String {
        do {
            return try context.readFile(file).trimmingCharacters(in: .whitespacesAndNewlines)
        } catch {
            throw CredentialsError(description: "the token file \(file) cannot be read")
        }
    }

    private static func webIdentity(
        _ context: Context, file: String, role: String, session: String
    ) async throws -> AWSCredentials {
        let token = try read(context, file)
        let client = AWSClient(
            transport: context.transport, credentials: nil, region: context.region, endpoints: context.endpoints,
            timing: context.timing)
        return try await client.assumeRoleWithWebIdentity(
            role: role, sessionName: SessionName.sanitised(session), token: token)
    }

    /// Plain http is for the addresses that never leave the machine: loopback and the two of ECS and EKS.
    static func checkContainerAddress(_ address: String) throws {
        let parts = URLComponents(string: address)
        let local: Set = [
            "127.0.0.1", "localhost", "[::1]", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23",
            "[fd00:ec2::23]",
        ]
        guard parts?.scheme == "https" || (parts?.scheme == "http" && local.contains(parts?.host ?? "")) else {
            throw CredentialsError(
                description: "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or http to loopback, 169.254.170.2, "
                    + "169.254.170.23 or [fd00:ec2::23]")
        }
    }

    private struct ContainerAnswer: Decodable {
        var AccessKeyId: String
        var SecretAccessKey: String
        var Token: String?
        var Expiration: String?
    }

    private static func container(_ context: Context, address: String, token: String?) async throws -> AWSCredentials {
        let headers = token.map { [(name: "Authorization", value: $0)] } ?? []
        let request = HTTPRequest(url: address, headers: headers, timeout: .seconds(5), responseBytesMax: 1 << 16)
        let answer = try await context.transport.send(request)
        guard answer.status == 200 else {
            throw CredentialsError(description: "the container credentials endpoint answered with \(answer.status)")
        }
        guard let found = try? JSONDecoder().decode(ContainerAnswer.self, from: Data(answer.body)) else {
            throw CredentialsError(description: "the container credentials endpoint's answer has no credentials")
        }
        return AWSCredentials(
            accessKeyID: found.AccessKeyId, secretAccessKey: found.SecretAccessKey, sessionToken: found.Token,
            expiry: found.Expiration.flatMap(AWSTimestamp.date))
    }
}
