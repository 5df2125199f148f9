/// An AWS account in one region, as one tenant's clusters name it: what jobs with `fan_out: account` are about.
public struct AccountTarget: Hashable, Sendable, Codable, CustomStringConvertible {
    /// The tenant whose clusters are there.
    public var tenant: Tenant
    /// The account, 12 digits.
    public var account: String
    /// The region.
    public var region: String

    /// Names an account.
    public init(tenant: Tenant, account: String, region: String) {
        self.tenant = tenant
        self.account = account
        self.region = region
    }

    /// Reads a job's target, `account/<tenant>/<account>/<region>`; nil: it is about something else.
    public init?(_ target: String) {
        let parts = target.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 4, parts[0] == "account", parts.dropFirst().allSatisfy({ !$0.isEmpty }) else { return nil }
        self.init(tenant: Tenant(rawValue: parts[1]), account: parts[2], region: parts[3])
    }

    /// The job's target.
    public var description: String { "account/\(tenant)/\(account)/\(region)" }
}
