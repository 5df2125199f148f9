import Foundation

/// What `clusters add` tells about a cluster. Its credentials are kept apart, sealed.
public struct ClusterRegistration: Hashable, Sendable, Codable {
    /// The id, unique in the installation: 1 to 63 lower-case letters, digits and hyphens.
    public var id: ClusterID
    /// The customer it belongs to.
    public var tenant: Tenant
    /// The name of the cluster in EKS, by which instances are tagged.
    public var name: String
    /// The AWS account, 12 digits.
    public var account: String
    /// The AWS region.
    public var region: String
    /// The API server: `https://…`.
    public var endpoint: String
    /// The API server's certificate authority in PEM; nil: the system's.
    public var authority: String?
    /// The interruption queue; nil: none.
    public var queueURL: String?
    /// The role to assume; nil: our own credentials act.
    public var roleARN: String?
    /// The external id of that role's trust policy.
    public var externalID: String?
    /// The time zone of its office hours: `Europe/Berlin`.
    public var timeZone: String
    /// `production`, `staging`, `development`.
    public var environment: String
    /// How far CloudOptim may go.
    public var mode: Mode
    /// How replacements are launched; nil: as the interrupted instance was, where its tags tell.
    public var launch: LaunchSettings?
    /// When it was added.
    public var createdAt: Date

    /// Makes a registration.
    public init(
        id: ClusterID, tenant: Tenant, name: String, account: String, region: String, endpoint: String,
        authority: String? = nil, queueURL: String? = nil, roleARN: String? = nil, externalID: String? = nil,
        timeZone: String = "UTC", environment: String = "production", mode: Mode = .observe,
        launch: LaunchSettings? = nil, createdAt: Date = Date(timeIntervalSince1970: 0)
    ) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.account = account
        self.region = region
        self.endpoint = endpoint
        self.authority = authority
        self.queueURL = queueURL
        self.roleARN = roleARN
        self.externalID = externalID
        self.timeZone = timeZone
        self.environment = environment
        self.mode = mode
        self.launch = launch
        self.createdAt = createdAt
    }
}

/// How replacements of a cluster are launched.
public struct LaunchSettings: Hashable, Sendable, Codable {
    /// The customer's launch template: AMI, user data, instance profile, security groups.
    public var template: LaunchTemplate
    /// Subnets by the zone's name; empty: those of the cluster's running instances.
    public var subnets: [String: String]
    /// Instance families that may be used (`m6i`); empty: all that the catalogue knows.
    public var families: [String]

    /// Makes settings.
    public init(template: LaunchTemplate, subnets: [String: String] = [:], families: [String] = []) {
        self.template = template
        self.subnets = subnets
        self.families = families
    }
}

/// What opens a cluster's API server.
public struct ClusterCredential: Sendable, Equatable, Codable, CustomStringConvertible {
    /// The bearer token.
    public var token: String

    /// Takes a token.
    public init(token: String) { self.token = token }

    /// Never the token.
    public var description: String { "ClusterCredential(sealed)" }
}
