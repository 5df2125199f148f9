import Foundation

/// Sessions of customers' roles, kept by role, external id and session policy until five minutes before they end. A
/// session bears the name of the job that first needed it.
public actor RoleSessions {
    private struct Key: Hashable {
        var role: String
        var externalID: String?
        var sessionPolicy: String?
    }

    private struct RateKey: Hashable {
        var role: String
        var region: String
    }

    /// EC2 fills its own bucket for changes with about five a second per account and region.
    private static let changesPerSecond = 5.0
    /// Most sessions kept; the one used longest ago makes room.
    private static let sessionsMax = 10_000

    private let base: AWSClient
    private var rates: [RateKey: CallRate] = [:]
    private var sources: [Key: (source: CredentialsSource, usedAt: ContinuousClock.Instant)] = [:]

    /// Makes an empty cache; `base` assumes the roles.
    public init(base: AWSClient) {
        self.base = base
    }

    /// The source of a role's credentials: the same for the same role, external id and policy.
    public func source(_ request: RoleRequest) -> CredentialsSource {
        let key = Key(role: request.role, externalID: request.externalID, sessionPolicy: request.sessionPolicy)
        let now = base.timing.instant()
        if let known = sources[key] {
            sources[key] = (known.source, now)
            return known.source
        }
        if sources.count >= RoleSessions.sessionsMax,
            let oldest = sources.min(by: { $0.value.usedAt < $1.value.usedAt })
        {
            sources[oldest.key] = nil
        }
        let source = CredentialsSource(now: base.timing.now) { [base] in try await base.assumeRole(request) }
        sources[key] = (source, now)
        return source
    }

    /// A client that acts as the role. All clients of one role and region share one rate for changes.
    public func client(_ request: RoleRequest, region: String) -> AWSClient {
        let key = RateKey(role: request.role, region: region)
        let rate = rates[key] ?? CallRate(perSecond: RoleSessions.changesPerSecond, burst: 20)
        if rates.count >= RoleSessions.sessionsMax { rates = [:] }
        rates[key] = rate
        return base.client(credentials: source(request), region: region, rate: rate)
    }
}
