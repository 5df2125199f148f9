import Infrastructure
import JobQueue
import Postgres

/// The fleet's circuit breakers, in the table `circuit`, and the operators' rates for far sides, in `job_limit`. A healthy
/// far side without a rate costs nothing: which ones have failed, and which have a rate, is read once in a while for all.
public actor CircuitStore: Circuits {
    private struct Name: Hashable {
        let side: String
        let target: String
    }

    private let connection: PostgresConnection
    private var failing: Set<Name> = []
    private var readAt: ContinuousClock.Instant?
    /// By name: `kubernetes` everywhere, `kubernetes/prod-eu` of one target.
    private var rates: [String: JobRate] = [:]

    /// Failures in a row that open a circuit.
    static let failuresMax = 5
    /// While it is open, one caller in this time is let through.
    static let probeSeconds = 30.0
    private static let readEvery = Duration.seconds(2)

    /// Reads and writes over a connection.
    public init(_ connection: PostgresConnection) { self.connection = connection }

    static let read = "SELECT side, target FROM circuit"
    static let readRates =
        "SELECT name, per_second, burst FROM job_limit WHERE scope = 'api' AND per_second IS NOT NULL"
    /// No row: no token is left. `$1` the bucket, `$2` tokens per second, `$3` the most of them.
    static let takeToken = """
        INSERT INTO rate_bucket AS b (key, tokens, per_second, burst, at)
        VALUES ($1, $3::float8 - 1, $2::float8, $3::float8, now())
        ON CONFLICT (key) DO UPDATE SET
            tokens = least($3::float8, b.tokens + greatest(0, extract(epoch FROM now() - b.at)) * $2::float8) - 1,
            per_second = excluded.per_second, burst = excluded.burst, at = now()
         WHERE least($3::float8, b.tokens + greatest(0, extract(epoch FROM now() - b.at)) * $2::float8) >= 1
        RETURNING true
        """
    /// Seconds until there is a token.
    static let untilToken = """
        SELECT greatest(0, (1 - b.tokens) / $2::float8 - extract(epoch FROM now() - b.at))::float8
          FROM rate_bucket b WHERE b.key = $1
        """
    /// Whoever moves the time of the next probe is the probe.
    static let wait = """
        WITH p AS (
            UPDATE circuit SET probe_at = now() + make_interval(secs => $3::float8)
             WHERE side = $1 AND target = $2 AND probe_at <= now() RETURNING side)
        SELECT EXISTS (SELECT FROM p), greatest(extract(epoch FROM c.probe_at - now()), 0)::float8
          FROM circuit c WHERE c.side = $1 AND c.target = $2 AND c.probe_at IS NOT NULL
        """
    static let fail = """
        INSERT INTO circuit (side, target, failures, last_error) VALUES ($1, $2, 1, left($3, 1000))
        ON CONFLICT (side, target) DO UPDATE SET failures = circuit.failures + 1, last_error = excluded.last_error,
            probe_at = CASE WHEN circuit.failures + 1 >= $4::bigint THEN now() + make_interval(secs => $5::float8) END
        RETURNING failures = $4::bigint
        """
    static let succeed = "DELETE FROM circuit WHERE side = $1 AND target = $2"

    /// See `Circuits`.
    public func wait(for side: FarSide, of target: String) async throws -> Duration? {
        try await look()
        guard failing.contains(Name(side: side.rawValue, target: target)) else { return nil }
        let rows = try await connection.query(
            Self.wait, [.text(side.rawValue), .text(target), .double(Self.probeSeconds)])
        guard let row = rows.first, try !row.bool(0) else { return nil }
        return .seconds(max(1, try row.double(1)))
    }

    /// See `Circuits`.
    public func room(for side: FarSide, of target: String) async throws -> Duration? {
        try await look()
        for name in ["\(side.rawValue)/\(target)", side.rawValue] {
            guard let rate = rates[name] else { continue }
            let key = JobLimit(.api(name)).gateKey
            let taken = try await connection.query(
                Self.takeToken, [.text(key), .double(rate.perSecond), .double(rate.burst)])
            if !taken.isEmpty { continue }
            let row = try await connection.query(Self.untilToken, [.text(key), .double(rate.perSecond)]).first
            return .seconds(try row?.double(0) ?? 0)
        }
        return nil
    }

    private func look() async throws {
        guard readAt.map({ $0 + Self.readEvery < .now }) ?? true else { return }
        readAt = .now
        failing = Set(
            try await connection.query(Self.read).map { Name(side: try $0.string(0), target: try $0.string(1)) })
        rates = Dictionary(
            try await connection.query(Self.readRates).map { row in
                (try row.string(0), JobRate(perSecond: try row.double(1), burst: try row.double(2)))
            }
        ) { $1 }
    }

    /// See `Circuits`.
    public func noteFailure(_ message: String, of side: FarSide, target: String) async throws -> Bool {
        failing.insert(Name(side: side.rawValue, target: target))
        return try await connection.query(
            Self.fail,
            [
                .text(side.rawValue), .text(target), .text(message), .int(Int64(Self.failuresMax)),
                .double(Self.probeSeconds),
            ]
        ).first?.bool(0) ?? false
    }

    /// See `Circuits`.
    public func noteSuccess(of side: FarSide, target: String) async throws {
        guard failing.remove(Name(side: side.rawValue, target: target)) != nil else { return }
        try await connection.execute(Self.succeed, [.text(side.rawValue), .text(target)])
    }
}
