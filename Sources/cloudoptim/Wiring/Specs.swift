import Foundation
import Infrastructure
import JobQueue
import Jobs

/// The jobspecs that this process works with.
enum Specs {
    /// Loads the folder and checks it against the kinds this program has.
    /// - Throws: `invalid`, every problem with its file and line.
    static func load(_ settings: Settings) throws -> [JobSpec] {
        let specs = try JobSpecFile.load(directory: settings.jobspecs, environment: settings.environment).map(\.spec)
        let known = Set(JobCatalog.all.kinds)
        if let stranger = specs.first(where: { !known.contains($0.kind) }) {
            throw QueueError(
                .invalid,
                "\(settings.jobspecs)/\(stranger.kind).yaml: this program has no job of kind '\(stranger.kind)'; it has \(JobCatalog.all.kinds)"
            )
        }
        return specs.map(carryingProposals)
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
