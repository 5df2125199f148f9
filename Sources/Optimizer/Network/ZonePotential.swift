import Infrastructure

/// How much of a service's traffic crosses zones, judged by where its clients and endpoints are: a potential, not a
/// measurement. Pure; domain-rules section 9.
public struct ZonePotential: Hashable, Sendable, Codable {
    /// The share that crosses zones when every endpoint is as likely as any other, 0 to 1.
    public var crossNow: Double
    /// The share that still crosses when the zone is preferred, 0 to 1: that of clients without an endpoint in their zone.
    public var crossPreferred: Double
    /// How many times the mean load the busiest endpoint would carry when the zone is preferred; 1: all alike.
    public var overload: Double
    /// Zones with clients and fewer ready endpoints than asked for, in order.
    public var thinZones: [String]
    /// Zones with ready endpoints.
    public var zoneCount: Int

    /// The share that preferring the zone saves, 0 to 1.
    public var avoidable: Double { max(0, crossNow - crossPreferred) }

    /// Judges a service; nil: there are no endpoints, or no clients.
    /// - Parameters:
    ///   - clients: pods that may call it, by zone.
    ///   - endpoints: ready endpoints, by zone.
    ///   - endpointsMin: how many each client zone must have, so that losing one does not break it.
    public init?(clients: [String: Int], endpoints: [String: Int], endpointsMin: Int) {
        let clientTotal = clients.values.reduce(0, +)
        let endpointTotal = endpoints.values.reduce(0, +)
        guard clientTotal > 0, endpointTotal > 0 else { return nil }
        func clientShare(_ zone: String) -> Double { Double(clients[zone] ?? 0) / Double(clientTotal) }
        func endpointShare(_ zone: String) -> Double { Double(endpoints[zone] ?? 0) / Double(endpointTotal) }
        let zones = Set(clients.keys).union(endpoints.keys).sorted()
        crossNow = 1 - zones.reduce(0) { $0 + clientShare($1) * endpointShare($1) }
        // Clients of a zone without any endpoint go on to everywhere.
        let homeless = zones.filter { (endpoints[$0] ?? 0) == 0 }.reduce(0) { $0 + clientShare($1) }
        crossPreferred = homeless
        overload =
            zones.filter { (endpoints[$0] ?? 0) > 0 }.map { zone in
                (clientShare(zone) + homeless * endpointShare(zone)) / endpointShare(zone)
            }.max() ?? 1
        thinZones = zones.filter { (clients[$0] ?? 0) > 0 && (endpoints[$0] ?? 0) < endpointsMin }
        zoneCount = endpoints.values.count { $0 > 0 }
    }
}
