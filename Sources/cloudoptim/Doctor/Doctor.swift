import Foundation
import JobQueue
import Logging
import Postgres
import Redis
import Sealing
import Stores

/// Looks at an installation from A to Z. A part that cannot be looked at is a finding, and the rest goes on.
struct Doctor {
    let settings: Settings
    private(set) var found: [Examination] = []

    init(_ settings: Settings) { self.settings = settings }

    /// Looks at everything, in the order in which a fleet needs it.
    mutating func examine() async {
        examineSettings()
        await examineDatabase()
        await examineRedis()
    }

    private mutating func note(
        _ check: String, _ level: Examination.Level, _ text: String, advice: String = ""
    ) { found.append(Examination(check, level, text, advice: advice)) }

    // MARK: Settings

    private mutating func examineSettings() {
        func read(_ what: String, _ body: () throws -> Void) {
            do { try body() } catch {
                note(
                    "settings: \(what)", .failure, Self.message(error), advice: "docs/configuration.md lists every name"
                )
            }
        }
        let before = found.count
        read("database") { _ = try settings.database }
        read("redis") { _ = try settings.redis }
        read("roles") { _ = (try settings.http, try settings.worker, try settings.scheduler, try settings.pod) }
        read("far sides") { _ = (try settings.egress, try settings.kubernetes, try settings.notifySecrets) }
        read("sealing key") {
            if try settings.keyring == nil {
                note(
                    "sealing key", .failure, "no SEALING_KEY: no credential can be stored or opened",
                    advice: "make one: openssl rand -base64 32, and give `id:base64`")
            }
        }
        read("logs and traces") { _ = (try settings.logLevel, try settings.tracing) }
        read("jobspecs") { note("jobspecs", .ok, "\(try Specs.load(settings).count) kinds in \(settings.jobspecs)") }
        if found.count == before + 1 { note("settings", .ok, "every one can be read") }
    }

    // MARK: PostgreSQL

    private mutating func examineDatabase() async {
        do {
            var configuration = try settings.database
            let schema = configuration.schema ?? "cloudoptim"
            // The pooler's sessions are looked at as they are: a wrong search path is a finding.
            let connection = try await PostgresConnection.connect(configuration, timeout: .seconds(30))
            note("database", .ok, "\(configuration)")
            await examineClock(connection)
            do {
                try await Migrator(try Migration.queue + Migration.product).verify(on: connection, schema: schema)
                note("schema", .ok, "'\(schema)' is of this program's release (\(Migrator.release)) or the next")
            } catch {
                note("schema", .failure, Self.message(error), advice: "run `cloudoptim migrate` of the right version")
                await connection.close()
                return
            }
            configuration.applicationName = "cloudoptim-doctor"
            let reader = try await StatusReader(configuration)
            found += try await reader.examine(
                HealthQuestion.server + HealthQuestion.queue + ProductQuestions.all)
            await examineKinds(reader)
            await examineSecrets(connection)
            await connection.close()
        } catch {
            note(
                "database", .failure, Self.message(error),
                advice: "look at DATABASE_URL or the DB_… names, at the network and at the server's log")
        }
    }

    /// Machine time of both sides, as far as the way between them allows.
    private mutating func examineClock(_ connection: PostgresConnection) async {
        do {
            let before = Date()
            guard let row = try await connection.query("SELECT clock_timestamp()").first else { return }
            let middle = before.addingTimeInterval(Date().timeIntervalSince(before) / 2)
            let ahead = try row.date(0).timeIntervalSince(middle)
            note(
                "clock", abs(ahead) > 2 ? .warning : .ok,
                "the database is \(String(format: "%.1f", abs(ahead))) s \(ahead < 0 ? "behind" : "ahead of") this machine",
                advice: "leases do not mind; signatures for AWS and people do: run NTP on both")
        } catch {
            note("clock", .failure, Self.message(error), advice: "the database does not tell the time")
        }
    }

    private mutating func examineKinds(_ reader: StatusReader) async {
        do {
            let own = Dictionary(try Specs.load(settings).map { ($0.kind.rawValue, $0.version) }) { $1 }
            struct Kind: Decodable {
                var kind: String
                var version: Int
            }
            let stored = try await reader.kinds().map { try $0.decode(Kind.self) }
            let newer = stored.filter { $0.version > own[$0.kind] ?? .max }.map(\.kind)
            let missing = Set(own.keys).subtracting(stored.map(\.kind)).sorted()
            note(
                "published kinds", newer.isEmpty && missing.isEmpty ? .ok : .warning,
                newer.isEmpty && missing.isEmpty
                    ? "\(stored.count) in force"
                    : "newer in the database: \(newer), not published: \(missing)",
                advice: "`cloudoptim migrate` publishes the jobspecs of JOBSPECS_DIR; the higher version wins")
        } catch {
            note("published kinds", .failure, Self.message(error), advice: "run `cloudoptim migrate`")
        }
    }

    private mutating func examineSecrets(_ connection: PostgresConnection) async {
        do {
            guard let keyring = try settings.keyring else { return }
            let report = try await SecretRotation(connection, keyring: keyring).run(isDryRun: true)
            if !report.unreadable.isEmpty {
                note(
                    "credentials", .failure,
                    "no key opens those of \(report.unreadable.keys.sorted().joined(separator: ", "))",
                    advice: "put the key that sealed them back into SEALING_KEY, behind the first one")
            } else if report.resealed > 0 {
                note(
                    "credentials", .warning,
                    "\(report.resealed) of \(report.resealed + report.current) are under old keys",
                    advice: "`cloudoptim secrets rotate`, then take the old key away")
            } else {
                note("credentials", .ok, "\(report.current) open with key \(keyring.currentKeyID)")
            }
        } catch {
            note("credentials", .failure, Self.message(error), advice: "see above")
        }
    }

    // MARK: Redis

    private mutating func examineRedis() async {
        do {
            guard let configuration = try settings.redis else {
                return note(
                    "redis", .warning, "none is named: ids are found in the ledger, which is slower",
                    advice: "REDIS_URL or REDIS_HOST")
            }
            let broker = RedisBroker(configuration, prefix: settings.redisPrefix)
            let warning = try await broker.policyWarning()
            note("redis", .ok, "\(configuration) answers")
            note(
                "eviction policy", warning == nil ? .ok : .failure, warning ?? "noeviction",
                advice: "set maxmemory-policy to noeviction")
        } catch {
            note(
                "redis", .failure, Self.message(error),
                advice: "jobs go on over the ledger, slower; look at REDIS_URL and the server")
        }
    }

    private static func message(_ error: any Error) -> String {
        let whole = (error as? QueueError)?.message ?? "\(error)"
        return whole.replacing("\n", with: " ")
    }
}
