import ArgumentParser
import Foundation
import Infrastructure
import JobQueue
import Jobs
import Logging
import Postgres
import Sealing
import Stores

/// `cloudoptim snapshot`
struct SnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "Writes everything that decisions about a cluster are made from.",
        discussion: """
            An allow-list of fields: no environment, arguments, images, secrets, addresses of endpoints. Replay it with \
            `cloudoptim plan`. --anonymise replaces names, namespaces, labels, tags and ids by keyed hashes that keep their \
            order, so that it may be shown to others and leads to the same decisions.
            """)
    @Argument(help: "The cluster's id.") var cluster: String
    @Flag(help: "Replace what the customer named by hashes.") var anonymise = false
    @Option(help: "The file to write, readable by its owner only; default standard output.") var out: String?

    func run() async throws {
        let settings = Settings()
        let (snapshot, _) = try await LiveSnapshot.take(cluster, settings)
        let text: String
        if anonymise {
            guard let keyring = try settings.keyring else {
                throw QueueError(.invalid, "environment: SEALING_KEY is not set; names are hashed under it")
            }
            var anonymiser = SnapshotAnonymiser { keyring.fingerprint(of: $0, for: "snapshot") }
            text = try SnapshotDocument.text(of: anonymiser.anonymise(snapshot))
        } else {
            text = try SnapshotDocument.text(of: snapshot)
        }
        guard let out else { return Console.print(text) }
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: out), options: .atomic)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: out)
        } catch {
            throw QueueError(.invalid, "'\(out)' cannot be written", underlying: error)
        }
        for remark in snapshot.remarks { Console.error(remark) }
    }
}

/// `cloudoptim plan`
struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Decides from a snapshot, does nothing, and prints the decision as JSON.",
        discussion: "The same snapshot, the same policy and the same build give the same text, to the byte.")
    @Argument(help: "The kind of job, such as defrag.") var kind: String
    @Option(help: "A file that `cloudoptim snapshot` wrote.") var snapshot: String
    @Option(help: "A policy as `cloudoptim policy show` prints it; default the defaults.") var policy: String?

    func run() async throws {
        let document = try SnapshotDocument.read(try InputFile.text(snapshot))
        let policy = try policy.map(InputFile.policy) ?? ClusterPolicy()
        let decider = try SnapshotKinds.named(JobKind(rawValue: kind))
        let decision = try decider.decide(document, policy: policy.inZone(document.cluster.timeZone)).validated()
        Console.print(try JSONText(encoding: decision).text)
    }
}

/// `cloudoptim report`
struct ReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Day zero: what a cluster costs and could save, by reading it once.",
        discussion: """
            Needs the read-only role alone and changes nothing. Each section says what it is worth and how sure that is; \
            sections overlap, so their sum is not a promise.
            """)
    @Argument(help: "The cluster's id; none with --snapshot.") var cluster: String?
    @Option(help: "A file that `cloudoptim snapshot` wrote, instead of reading the cluster.") var snapshot: String?
    @Option(help: "A policy as `cloudoptim policy show` prints it; default the cluster's own.") var policy: String?
    @OptionGroup var form: OutputOptions

    func validate() throws {
        if (cluster == nil) == (snapshot == nil) { throw ValidationError("give a cluster's id, or --snapshot FILE") }
    }

    func run() async throws {
        var own = ClusterPolicy()
        let document: ClusterSnapshot
        if let cluster {
            (document, own) = try await LiveSnapshot.take(cluster, Settings())
        } else {
            document = try SnapshotDocument.read(try InputFile.text(snapshot ?? ""))
        }
        if let policy { own = try InputFile.policy(policy) }
        let report = try ClusterReport(document, policy: own.inZone(document.cluster.timeZone))
        switch form.output {
        case .json: Console.print(try JSONText(encoding: report).text)
        case .table: Console.print(report.text)
        }
    }
}

/// Takes a snapshot of a registered cluster, now.
enum LiveSnapshot {
    /// The snapshot and the cluster's policy.
    static func take(_ id: String, _ settings: Settings) async throws -> (ClusterSnapshot, ClusterPolicy) {
        let connection = try await PostgresConnection.connect(try settings.database)
        let clusters = ClusterStore(connection, keyring: try settings.keyring)
        guard let registration = try await clusters.cluster(ClusterID(rawValue: id)) else {
            throw QueueError(.notFound, "no cluster '\(id)'")
        }
        let policy = try await PolicyStore(connection).policy(of: registration.id)
        let farSides = try LiveFarSides(settings, clusters: clusters, logger: Logger(label: "snapshot"))
        let snapshot: ClusterSnapshot
        do {
            snapshot = try await SnapshotCapture(readsNodeGroups: true).take(
                registration, cluster: try await farSides.cluster(registration),
                cloud: { try await farSides.cloud(registration, session: "snapshot") }, prices: PriceStore(connection),
                policy: policy, now: try await connection.worldTime())
        } catch let error as FarSideError {
            throw QueueError(.refused, "the cluster cannot be read", underlying: error)
        }
        await connection.close()
        return (snapshot, policy)
    }
}

/// Files that an operator names.
enum InputFile {
    /// A file's text; `-`: standard input.
    static func text(_ path: String) throws -> String {
        do {
            return path == "-"
                ? String(decoding: try FileHandle.standardInput.readToEnd() ?? Data(), as: UTF8.self)
                : try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw QueueError(.invalid, "'\(path)' cannot be read", underlying: error)
        }
    }

    /// A policy in a file; what it does not name has its default.
    static func policy(_ path: String) throws -> ClusterPolicy {
        try PolicyFile.parse(try text(path), file: path == "-" ? "standard input" : path)
    }
}
