import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// A walk through spot price history, span by span and chunk of types by chunk, page by page: a plain value that is the
/// job's checkpoint. Pages come empty, and tokens come twice: both end well.
struct PriceWalk: Codable, Sendable, Equatable {
    /// A span of time; `day`: the whole UTC day that it is.
    struct Span: Codable, Sendable, Equatable {
        var from: Date
        var until: Date
        var day: LocalDay?
    }

    let region: String
    let types: [String]
    let chunk: Int
    let spans: [Span]
    let startedAt: Date
    /// Spans times chunks that are behind.
    private(set) var done = 0
    private(set) var token: String?
    private(set) var pages = 0
    private(set) var emptyPages = 0
    private(set) var rows = 0
    /// Pools that had a row in this step: the first row of a pool is the one in force at the step's end.
    private(set) var seen: Set<String> = []

    /// Empty pages in a row after which a step is taken to be at its end.
    static let emptyPagesMax = 20
    /// Pages of one step: a thousand rows each.
    static let pagesMax = 2000

    init(region: String, types: [String], chunk: Int, spans: [Span], startedAt: Date) {
        self.region = region
        self.types = types
        self.chunk = max(1, chunk)
        // Whole seconds, as the checkpoint keeps them: a page's token belongs to the very same question.
        func whole(_ date: Date) -> Date { Date(timeIntervalSince1970: date.timeIntervalSince1970.rounded(.down)) }
        self.spans = spans.map { Span(from: whole($0.from), until: whole($0.until), day: $0.day) }
        self.startedAt = startedAt
    }

    private var chunks: Int { (types.count + chunk - 1) / chunk }
    /// Steps in all.
    var total: Int { chunks * spans.count }
    var isOver: Bool { done >= total }

    /// What is asked next; nil: the walk is over.
    var question: (span: Span, types: [String], token: String?)? {
        guard !isOver else { return nil }
        let first = done % chunks * chunk
        return (spans[done / chunks], Array(types[first..<min(types.count, first + chunk)]), token)
    }

    /// Takes a page.
    /// - Returns: its rows to keep, and the question whose step it ended; nil: more pages follow.
    mutating func take(_ page: SpotPricePage) -> (rows: [SpotPriceRow], ended: (span: Span, types: [String])?) {
        guard let question else { return ([], nil) }
        var newest: [String: Date] = [:]
        for row in page.rows {
            let pool = "\(row.zone)/\(row.type)"
            newest[pool] = max(newest[pool] ?? row.at, row.at)
        }
        let kept = page.rows.map { row in
            let pool = "\(row.zone)/\(row.type)"
            guard !seen.contains(pool), newest[pool] == row.at else { return row }
            var copy = row
            copy.lastSeen = max(row.at, question.span.until)
            return copy
        }
        seen.formUnion(newest.keys)
        rows += page.rows.count
        pages += 1
        emptyPages = page.rows.isEmpty ? emptyPages + 1 : 0
        let isStuck = page.rows.isEmpty && page.next == token
        guard page.next == nil || isStuck || emptyPages >= PriceWalk.emptyPagesMax || pages >= PriceWalk.pagesMax else {
            token = page.next
            return (PriceRuns.compressed(kept), nil)
        }
        done += 1
        token = nil
        pages = 0
        emptyPages = 0
        seen = []
        return (PriceRuns.compressed(kept), (question.span, question.types))
    }

    /// How far it is, and how long it will take at the rate so far.
    func progress(now: Date) -> JobProgress {
        let elapsed = max(0, now.timeIntervalSince(startedAt))
        var note = "\(rows) rows"
        if let question {
            let place = question.span.day.map { "day \($0)" } ?? "since \(question.span.from.formatted(.iso8601))"
            note = "\(place), \(question.types.first ?? "") and \(question.types.count - 1) more; " + note
        }
        if done > 0, done < total {
            let left = Int((elapsed / Double(done) * Double(total - done)).rounded())
            note += "; about \(TimeSpan.seconds(Int64(left))) left"
        }
        return JobProgress(done: done, total: total, note: String(note.prefix(200)))
    }
}

/// Instance types by name: `m5.*`, `*.large`, `*`.
public enum TypePattern {
    /// Whether a name fits; `*` stands for any text.
    public static func matches(_ pattern: String, _ name: String) -> Bool {
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false)
        guard parts.count > 1 else { return pattern == name }
        guard name.hasPrefix(parts[0]), name.hasSuffix(parts[parts.count - 1]) else { return false }
        var rest = name.dropFirst(parts[0].count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let found = rest.firstRange(of: part) else { return false }
            rest = rest[found.upperBound...]
        }
        return rest.count >= parts[parts.count - 1].count
    }

    /// The catalogue's types that fit one of the patterns, by name.
    public static func types(_ patterns: [String], catalogue: InstanceCatalogue = .shipped) -> [String] {
        catalogue.types.map(\.name).filter { name in patterns.contains { matches($0, name) } }.sorted()
    }
}

/// A job's region, by its target `region/us-east-1`.
enum RegionTarget {
    /// - Throws: `QueueError` `invalid` for anything else.
    static func region(of target: String) throws -> String {
        guard target.hasPrefix("region/"), target.count > 7 else {
            throw QueueError(.invalid, "target '\(target)', wanted a region such as region/us-east-1")
        }
        return String(target.dropFirst(7))
    }
}
