import Infrastructure
import JobQueue

/// Finds the clusters that instances belong to: by the index, and for those that joined just now by their EC2 tags. Only
/// clusters of the queue's own tenant whose account and region equal the event's are ever looked at.
struct InstanceResolver {
    let context: JobContext
    let clusters: [ClusterRegistration]

    struct Answer {
        var resolved: [ResolvedInstance] = []
        var unresolvable: [InstanceID] = []
    }

    func resolve(_ events: [FleetEvent]) async throws -> Answer {
        var answer = Answer()
        var groups: [Place: Set<InstanceID>] = [:]
        for event in events where event.interruption != nil {
            for place in Place.places(of: event, among: clusters) {
                groups[place, default: []].formUnion(event.instances)
            }
        }
        for (place, instances) in groups {
            let candidates = clusters.filter { Place(of: $0) == place }
            let indexed = try await context.sources.index.find(instances.sorted(), in: candidates.map(\.id))
            answer.resolved += indexed.map { ResolvedInstance(instance: $0.instance, cluster: $0.cluster) }
            let missing = instances.subtracting(indexed.map(\.instance)).sorted()
            guard !missing.isEmpty, let first = candidates.first else { continue }
            do {
                let found = try await context.cloud(first).instances(missing)
                answer.resolved += found.compactMap { instance in
                    candidates.first { instance.isTagged(for: $0) }.map {
                        ResolvedInstance(instance: instance.id, cluster: $0.id)
                    }
                }
            } catch let error as FarSideError where !error.isDefinite {
                answer.unresolvable += missing
            } catch let error as FarSideError where error.code == .notFound || error.code == .refused {
                continue  // EC2 has never heard of them: they are in no cluster
            } catch is FarSideError {
                // A missing permission: the messages wait until it is given, or until they expire.
                answer.unresolvable += missing
            }
        }
        return answer
    }
}

/// An account and region.
struct Place: Hashable {
    let account: String
    let region: String

    init(account: String, region: String) {
        self.account = account
        self.region = region
    }

    init(of cluster: ClusterRegistration) { self.init(account: cluster.account, region: cluster.region) }

    /// The places of clusters that an event may be about. Auto Scaling's own notifications name no region: they may be
    /// about any region of their account that this queue's clusters are in.
    static func places(of event: FleetEvent, among clusters: [ClusterRegistration]) -> Set<Place> {
        Set(
            clusters.filter {
                $0.account == event.account && (event.region.isEmpty || $0.region == event.region)
            }.map(Place.init))
    }
}

extension Instance {
    /// Whether its tags say that it belongs to a cluster.
    func isTagged(for cluster: ClusterRegistration) -> Bool {
        let mark = tags["kubernetes.io/cluster/\(cluster.name)"]
        return mark == "owned" || mark == "shared" || tags["aws:eks:cluster-name"] == cluster.name
            || tags["eks:cluster-name"] == cluster.name || tags[NodeOwner.ownTag] == cluster.id.rawValue
    }
}
