import Foundation

extension AWSClient {
    /// Whose credentials these are.
    public struct CallerIdentity: Sendable, Hashable {
        /// The account, 12 digits.
        public let account: String
        /// The user or assumed role.
        public let arn: String
    }

    /// `GetCallerIdentity`: needs no permission.
    public func callerIdentity(_ options: CallOptions = CallOptions()) async throws -> CallerIdentity {
        let call = ServiceCall.sts("GetCallerIdentity", FormParameters())
        let answer = try await xml(call, options)
        return try read(call, answer) {
            let result = $0["GetCallerIdentityResult"] ?? $0
            return CallerIdentity(account: try result.required("Account"), arn: try result.required("Arn"))
        }
    }

    /// `AssumeRole`, uncached; `RoleSessions` keeps them.
    public func assumeRole(_ role: RoleRequest, _ options: CallOptions = CallOptions()) async throws -> AWSCredentials {
        var form = FormParameters()
        form.add("RoleArn", role.role)
        form.add("RoleSessionName", SessionName.sanitised(role.sessionName))
        form.add("DurationSeconds", String(min(43_200, max(900, Int(role.duration.components.seconds)))))
        form.add("ExternalId", role.externalID)
        form.add("Policy", role.sessionPolicy)
        let call = ServiceCall.sts("AssumeRole", form)
        return try AWSClient.sessionCredentials(
            read(call, await xml(call, options)) { $0["AssumeRoleResult"] ?? $0 }, self, call)
    }

    func assumeRoleWithWebIdentity(role: String, sessionName: String, token: String) async throws -> AWSCredentials {
        var form = FormParameters()
        form.add("RoleArn", role)
        form.add("RoleSessionName", sessionName)
        form.add("WebIdentityToken", token)
        let call = ServiceCall.sts("AssumeRoleWithWebIdentity", form, isSigned: false)
        let answer = try await xml(call, CallOptions())
        return try AWSClient.sessionCredentials(answer["AssumeRoleWithWebIdentityResult"] ?? answer, self, call)
    }

    private static func sessionCredentials(
        _ result: XMLTree, _ client: AWSClient, _ call: ServiceCall
    ) throws -> AWSCredentials {
        try client.read(call, result) { result in
            guard let found = result["Credentials"] else {
                throw XMLTree.Malformed(description: "the answer has no Credentials")
            }
            guard let expiry = AWSTimestamp.date(try found.required("Expiration")) else {
                throw XMLTree.Malformed(description: "the credentials have no readable Expiration")
            }
            return AWSCredentials(
                accessKeyID: try found.required("AccessKeyId"), secretAccessKey: try found.required("SecretAccessKey"),
                sessionToken: try found.required("SessionToken"), expiry: expiry)
        }
    }

    /// A bearer token of an EKS cluster: a presigned `GetCallerIdentity` that names the cluster. The API server takes it
    /// for 15 minutes.
    public func eksToken(cluster: String) async throws -> String {
        guard let keys = try await credentials?.current() else {
            throw CredentialsError(description: "an EKS token needs credentials")
        }
        let base = try endpoints.url(.sts, region: region)
        let parts = URLComponents(string: base)
        let host = (parts?.host ?? "") + (parts?.port.map { ":\($0)" } ?? "")
        let path = (parts?.percentEncodedPath ?? "") + "/"
        let signature = RequestSignature(credentials: keys, region: region, service: "sts", date: timing.now())
        let query = signature.presignedQuery(
            path: path, query: [("Action", "GetCallerIdentity"), ("Version", "2011-06-15")],
            headers: [("Host", host), ("x-k8s-aws-id", cluster)], expiresSeconds: 60)
        let encoded = Data("\(base)/?\(query)".utf8).base64EncodedString()
            .replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
            .replacingOccurrences(of: "=", with: "")
        return "k8s-aws-v1.\(encoded)"
    }
}

/// A role to assume.
public struct RoleRequest: Sendable, Hashable {
    /// The role's ARN.
    public var role: String
    /// What its trust policy demands of us against the confused deputy; nil: nothing.
    public var externalID: String?
    /// The name in CloudTrail: the job's id. Characters that STS does not take are replaced.
    public var sessionName: String
    /// A policy (JSON) that narrows the session; nil: all that the role may.
    public var sessionPolicy: String?
    /// How long the session lasts: 15 minutes to 12 hours, of chained roles at most 1 hour.
    public var duration: Duration

    /// Names a role.
    public init(
        role: String, externalID: String?, sessionName: String, sessionPolicy: String? = nil,
        duration: Duration = .seconds(3_600)
    ) {
        self.role = role
        self.externalID = externalID
        self.sessionName = sessionName
        self.sessionPolicy = sessionPolicy
        self.duration = duration
    }
}

enum SessionName {
    /// STS takes 2 to 64 of `[\w+=,.@-]`.
    static func sanitised(_ name: String) -> String {
        let safe = name.unicodeScalars.prefix(64).map { scalar -> Character in
            let isTaken =
                ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar)
                || "_+=,.@-".unicodeScalars.contains(scalar)
            return isTaken ? Character(scalar) : "-"
        }
        return safe.count >= 2 ? String(safe) : "cloudoptim-" + String(safe)
    }
}
