import Infrastructure
import JobQueue
import Jobs
import Logging
import Postgres
import Redis
import Stores

/// Every kind the program has, behind the one handler that runs their rounds.
enum Handlers {
    static func make(
        _ settings: Settings, specs: [JobSpec], connection: PostgresConnection, logger: Logger
    ) throws -> [JobKind: any Handler] {
        let clusters = ClusterStore(connection, keyring: try settings.keyring)
        let interruptions = InterruptionStore(connection)
        let prices: any Prices =
            try settings.redis.map { redis in
                let cache = RedisCache(redis, prefix: "\(settings.redisPrefix):cache")
                return CachedPrices(PriceStore(connection), cache: RedisValueCache(cache: cache, logger: logger))
            } ?? PriceStore(connection)
        let sources = JobSources(
            registry: clusters, index: interruptions, interruptions: interruptions, policies: PolicyStore(connection),
            prices: prices, proposals: ProposalStore(connection), savings: SavingsStore(connection),
            sightings: SightingStore(connection),
            sleepers: SleeperStore(connection), usage: UsageStore(connection), memoryRaises: UsageStore(connection),
            farSides: try LiveFarSides(settings, clusters: clusters, logger: logger),
            circuits: CircuitStore(connection))
        var modes: [JobKind: Mode] = [:]
        for spec in specs { modes[spec.kind] = Mode(rawValue: spec.modeMax) }
        let known = modes
        let runner = RoundRunner(sources: sources, modeMax: { known[$0] ?? .observe }, logger: logger)
        return Dictionary(JobCatalog.all.kinds.map { ($0, runner) }) { first, _ in first }
    }
}
