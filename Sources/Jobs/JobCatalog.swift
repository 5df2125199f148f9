import JobQueue

/// Every kind of job the product can run. A new kind is one file, one jobspec and one line here.
public struct JobCatalog: Sendable {
    private let makers: [JobKind: @Sendable (JSONText) throws -> any Job]

    /// The product's kinds.
    public static let all = JobCatalog([
        PollSQS.self, InterruptNode.self, DrainNode.self, ReplaceNode.self, SnapshotCluster.self, RestoreMarks.self,
        FetchAdvisor.self, FetchSpotPrices.self, FetchOnDemandPrices.self, FillPriceGap.self,
        DailyRefresh.self, MeasureSavings.self,
        Defrag.self, RightsizeNodes.self, SpotArbitrage.self,
        ZombieVolumes.self, GhostScan.self, Preflight.self, OfficeHours.self, OfficeHoursNodes.self,
        SampleMetrics.self, RightsizeWorkloads.self, RemediateOOM.self, AnalyseNetwork.self, Notify.self, Noop.self,
    ])

    /// Makes a catalog of these kinds.
    public init(_ kinds: [any Job.Type]) {
        makers = Dictionary(
            kinds.map { kind in (kind.kind, { @Sendable in try kind.make($0) }) },
            uniquingKeysWith: { first, _ in first })
    }

    /// The kinds, in order.
    public var kinds: [JobKind] { makers.keys.sorted() }

    /// Makes the job of a request.
    /// - Throws: `QueueError` `invalid` for an unknown kind, or parameters that do not fit.
    public func job(_ kind: JobKind, parameters: JSONText) throws -> any Job {
        guard let maker = makers[kind] else {
            throw QueueError(.invalid, "this program has no job of kind '\(kind)'; it has \(kinds)")
        }
        return try maker(parameters)
    }
}
