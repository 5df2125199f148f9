import Foundation
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
        return specs
    }
}
