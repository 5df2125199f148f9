import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// One part of a report: what was found, what it is worth, how sure that is.
public struct ReportSection: Codable, Sendable, Equatable {
    /// A stable word: `spot-candidates`.
    public var id: String
    /// For people.
    public var title: String
    /// One or two sentences.
    public var summary: String
    /// What acting on it would save per hour; nil: it is about no saving.
    public var savingPerHour: MicroDollars?
    /// How sure that is, 0 to 1; nil: it is about no saving.
    public var confidence: Double?
    /// The table's columns.
    public var columns: [String]
    /// Its rows, the most valuable first, at most `rowsMax`.
    public var rows: [[String]]
    /// How many rows there were.
    public var rowCount: Int
    /// What a reader must know to trust the figures.
    public var notes: [String]

    /// More rows help nobody; the figures count all.
    public static let rowsMax = 20

    /// Makes one; rows over the limit are counted and left out.
    public init(
        _ id: String, title: String, summary: String, savingPerHour: MicroDollars? = nil, confidence: Double? = nil,
        columns: [String] = [], rows: [[String]] = [], notes: [String] = []
    ) {
        self.id = id
        self.title = title
        self.summary = summary
        self.savingPerHour = savingPerHour
        // Figures of documents are short: confidence has two digits.
        self.confidence = confidence.map { ($0 * 100).rounded() / 100 }
        self.columns = columns
        self.rows = Array(rows.prefix(ReportSection.rowsMax))
        rowCount = rows.count
        self.notes = notes
    }
}

/// What sections are made from.
public struct ReportQuestion: Sendable {
    /// The cluster.
    public let snapshot: ClusterSnapshot
    /// Its policy.
    public let policy: ClusterPolicy
    /// What capacity costs.
    public let prices: PoolBook

    /// Makes a question.
    public init(_ snapshot: ClusterSnapshot, policy: ClusterPolicy) {
        self.snapshot = snapshot
        self.policy = policy
        prices = PoolBook(snapshot)
    }
}

/// Day zero: what a cluster could save, from one snapshot with a role that may only read.
public struct ClusterReport: Codable, Sendable, Equatable {
    /// Makes one section.
    public typealias Maker = @Sendable (ReportQuestion) throws -> ReportSection

    /// The sections, in their order. A new one is one line here.
    public static let makers: [Maker] = [
        ReportSections.nodes,
        ReportSections.spotCandidates,
        ReportSections.packing,
        ReportSections.nodeSizes,
        ReportSections.workloadSizes,
        ReportSections.officeHours,
        ReportSections.zombieVolumes,
        ReportSections.ghosts,
        ReportSections.network,
        ReportSections.memory,
    ]

    /// The cluster.
    public var cluster: ClusterID
    /// When the snapshot was taken.
    public var capturedAt: Date
    /// What the cluster's nodes cost now per hour, as far as their prices are known.
    public var costPerHour: MicroDollars
    /// The sections.
    public var sections: [ReportSection]
    /// What is amiss with the snapshot.
    public var remarks: [String]

    /// Makes the report of a snapshot.
    /// - Throws: `QueueError` for a snapshot that cannot be decided about.
    public init(_ snapshot: ClusterSnapshot, policy: ClusterPolicy, makers: [Maker] = ClusterReport.makers) throws {
        let question = ReportQuestion(snapshot, policy: policy)
        cluster = snapshot.cluster.id
        capturedAt = snapshot.capturedAt
        costPerHour = NodeInventory(snapshot, prices: question.prices).perHour
        sections = try makers.map { try $0(question) }
        remarks = snapshot.remarks
    }

    /// Hours of a month, as AWS counts them: 8,760 / 12.
    static let hoursPerMonth = 730.0
}
