import Infrastructure

/// Where a cluster's instances run, read once a minute however many jobs ask at once: a zone reclaim interrupts a
/// hundred nodes in the same second, and EC2 answers only so many full listings.
public actor ClusterZones {
    private struct Known {
        var zones: [String: String]
        var until: ContinuousClock.Instant
    }

    private var known: [ClusterID: Known] = [:]
    private var waiting: [ClusterID: [CheckedContinuation<Void, Never>]] = [:]

    /// How long an answer is used again.
    static let keptFor = Duration.seconds(60)

    /// Nothing known yet.
    public init() {}

    /// Subnets by zone; `read` is run by one caller at a time for each cluster.
    func zones(
        of cluster: ClusterID, read: @Sendable () async throws -> [String: String]
    ) async throws -> [String: String] {
        while true {
            if let found = known[cluster], found.until > .now { return found.zones }
            guard waiting[cluster] != nil else { break }
            await withCheckedContinuation { waiting[cluster, default: []].append($0) }
        }
        waiting[cluster] = []
        defer { for waiter in waiting.removeValue(forKey: cluster) ?? [] { waiter.resume() } }
        let zones = try await read()
        known[cluster] = Known(zones: zones, until: .now + ClusterZones.keptFor)
        return zones
    }
}
