import Foundation
import Infrastructure
import JobQueue
import Jobs

/// The jobspecs that this process works with.
enum Specs {
    /// Loads the folder and checks it against the kinds this program has.
    /// - Throws: `invalid`, every problem with its file and line.
    static func load(_ settings: Settings) throws -> [JobSpec] {
        let files = try JobSpecFile.load(directory: settings.jobspecs, environment: settings.environment)
        for file in files { try check(file) }
        return files.map(\.spec).map(carryingProposals)
    }

    /// Refuses a kind that this program does not have.
    static func check(_ file: JobSpecFile) throws {
        guard !JobCatalog.all.kinds.contains(file.spec.kind) else { return }
        throw QueueError(
            .invalid,
            "\(file.file): this program has no job of kind '\(file.spec.kind)'; it has "
                + JobCatalog.all.kinds.map(\.rawValue).sorted().joined(separator: ", "))
    }

    /// Every kind that may propose takes the proposal it carries out: `proposals approve` enqueues it so.
    private static func carryingProposals(_ spec: JobSpec) -> JobSpec {
        guard (Mode(rawValue: spec.modeMax) ?? .off) >= .propose else { return spec }
        var copy = spec
        copy.parameters["proposal_id"] = JobSpec.ParameterSpec(
            type: .string, summary: "The approved proposal that this job carries out.")
        return copy
    }
}
