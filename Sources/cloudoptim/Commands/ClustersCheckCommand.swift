import ArgumentParser
import AWS
import Foundation
import Infrastructure
import JobQueue
import Jobs
import Logging
import Postgres
import Stores

extension ClustersCommand {
    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Asks a cluster's far sides whether they let us in, and what they let us do.",
            discussion: """
                Asks for every permission by dry runs and by the API server's own review; nothing is changed. Says which \
                features they allow, and prints the policy text to add for what is missing. Exit code 77 when a far side does \
                not let us in, or would let in anybody who knows our role.
                """)
        @Argument(help: "The cluster's id.") var id: String
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let settings = Settings()
            let connection = try await PostgresConnection.connect(try settings.database)
            let store = ClusterStore(connection, keyring: try settings.keyring)
            guard let registration = try await store.cluster(ClusterID(rawValue: id)) else {
                throw QueueError(.notFound, "no cluster '\(id)'")
            }
            let farSides = try LiveFarSides(settings, clusters: store, logger: Logger(label: "check"))
            var lines = await reachability(registration, farSides)
            var answers: [PermissionAnswer] = []
            let isReached = !lines.contains { $0.ok == "no" }
            if isReached {
                do {
                    answers =
                        try await farSides.cloud(registration, session: "check").permissions(of: registration)
                        + farSides.cluster(registration).permissions()
                } catch {
                    lines.append(Line(check: "permissions", ok: "no", detail: "\(error)"))
                }
            }
            lines += ClustersCommand.lines(of: answers)
            if isReached { lines.append(await replacements(registration, farSides)) }
            try Console.show(
                try lines.map { try JSONText(encoding: $0) }, columns: ["check", "ok", "detail"], as: form.output,
                whenEmpty: "nothing to check")
            let missing = answers.filter { $0.outcome == .denied }
            if form.output == .table, !missing.isEmpty {
                Console.print(try ClustersCommand.remedy(missing, registration))
            }
            await connection.close()
            if lines.contains(where: { $0.ok == "no" && $0.isVital }) { throw ExitCode(77) }
        }

        /// Whether interrupted nodes would be replaced: better asked now than when the first warning comes.
        private func replacements(_ registration: ClusterRegistration, _ farSides: LiveFarSides) async -> Line {
            do {
                let nodes = try await farSides.cluster(registration).nodes()
                let cloud = try await farSides.cloud(registration, session: "check")
                let outlook = ReplacementOutlook(
                    nodes: nodes, instances: try await cloud.instances(nodes.compactMap(\.instance)),
                    registration: registration)
                return Line(
                    check: "feature: replacements", ok: outlook.withoutTemplate == 0 ? "yes" : "no",
                    detail: Self.sentence(outlook))
            } catch {
                return Line(check: "feature: replacements", ok: "no", detail: "\(error)")
            }
        }

        private static func sentence(_ outlook: ReplacementOutlook) -> String {
            var parts = ["\(outlook.replaceable) nodes would be replaced"]
            parts += outlook.left.sorted { $0.key < $1.key }.map { "\($0.value) are left to their owner (\($0.key))" }
            if outlook.withoutTemplate > 0 {
                parts.append(
                    "\(outlook.withoutTemplate) would be drained and not replaced: their instances name no launch template; "
                        + "remove the cluster and add it with --launch-template")
            }
            return parts.joined(separator: "; ")
        }

        private func reachability(
            _ registration: ClusterRegistration, _ farSides: LiveFarSides
        ) async -> [Line] {
            var lines: [Line] = []
            func ask(_ what: String, _ body: () async throws -> String) async {
                do {
                    lines.append(Line(check: what, ok: "yes", detail: try await body()))
                } catch {
                    lines.append(Line(check: what, ok: "no", detail: "\(error)"))
                }
            }
            await ask("kubernetes: nodes") {
                "\(try await farSides.cluster(registration).nodes().count) nodes"
            }
            await ask("aws: identity") {
                let account = try await farSides.cloud(registration, session: "check").account()
                guard account == registration.account else {
                    throw QueueError(
                        .refused, "credentials are for account \(account), the cluster says \(registration.account)")
                }
                return "account \(account)"
            }
            if registration.roleARN != nil {
                await ask("aws: external id") {
                    try await farSides.proveExternalID(registration)
                    return "the role cannot be assumed without it, or with another"
                }
            }
            if registration.queueURL != nil {
                await ask("aws: queue") {
                    // Visibility zero: what is received is there again at once.
                    let seen = try await farSides.queue(registration, session: "check")
                        .receive(max: 1, wait: .zero, visibility: .zero)
                    return seen.isEmpty ? "reachable, empty" : "reachable, messages wait"
                }
            }
            return lines
        }
    }

    /// One line of the answer.
    struct Line: Encodable {
        var check: String
        var ok: String
        var detail: String

        /// Whether nothing works without it. A feature that lacks a permission is off; the others work.
        var isVital: Bool { !check.hasPrefix("feature: ") }
    }

    /// One line for each feature.
    static func lines(of answers: [PermissionAnswer]) -> [Line] {
        guard !answers.isEmpty else { return [] }
        return PreflightReport(answers).features.map { line in
            let missing = line.missing.isEmpty ? "" : "missing \(line.missing.joined(separator: ", "))"
            return switch line.reach {
            case .off: Line(check: "feature: \(line.feature.rawValue)", ok: "no", detail: "off: \(missing)")
            case .looks:
                Line(check: "feature: \(line.feature.rawValue)", ok: "observe", detail: "it only looks: \(missing)")
            case .acts: Line(check: "feature: \(line.feature.rawValue)", ok: "yes", detail: "nothing is missing")
            }
        }
    }

    /// The exact text to add for what is missing.
    static func remedy(_ missing: [PermissionAnswer], _ registration: ClusterRegistration) throws -> String {
        let actions = Set(missing.map(\.name).filter { $0.contains(":") })
        let verbs = missing.map(\.name).filter { !$0.contains(":") }
        var text = ""
        if !actions.isEmpty {
            text += "\nAdd these statements to the policy of \(registration.roleARN ?? "our role"):\n"
            text += try OnboardingPolicy.statements(granting: actions, for: registration)
        }
        if !verbs.isEmpty {
            text += "\nAdd these rules to the ClusterRole:\n"
            for name in verbs.sorted() {
                let parts = name.split(separator: " ")
                let path = (parts.last ?? "").split(separator: ".", maxSplits: 1)
                let group = path.count > 1 ? String(path[1]) : "\"\""
                text +=
                    "  - apiGroups: [\(group)]\n    resources: [\(path.first ?? "")]\n    verbs: [\(parts.first ?? "")]\n"
            }
        }
        return text
    }
}
