import Foundation
import Infrastructure

/// What savings brought, measured from node hours and prices. Conservative where it cannot know: a removed node counts only
/// until another joins, a node that slept until its group was woken, and nothing counts beyond the horizon.
///
/// The formula: realised = hours in force x (price per hour before - mean price per hour paid in those hours).
public struct SavingsMeasure: Sendable {
    /// The formula, for people.
    public static let formula = "realised = hours in force x (price per hour before - mean price per hour paid)"

    private let savings: [SavingFact]
    private let lives: [InstanceID: NodeLife]
    private let ends: [String: Date]
    private let prices: [SpotPool: [SpotPrice]]
    private let region: String
    private let horizon: TimeSpan
    /// Instances that packing removed: whatever else is said of them is counted there.
    private let removed: Set<String>

    /// A group that was woken has its nodes back within this time, in seconds.
    static let returnSeconds: Double = 7200

    /// Prepares a measurement.
    /// - Parameters:
    ///   - savings: all of the cluster's within the horizon, also older ones than the days that are measured: each node that
    ///     joins ends one removal, the oldest first.
    ///   - lives: of the cluster's nodes over the same time.
    ///   - prices: spot prices of the pools.
    ///   - horizon: how long a saving counts at most.
    public init(savings: [SavingFact], lives: [NodeLife], prices: [SpotPrice], region: String, horizon: TimeSpan) {
        self.savings = savings.sorted { ($0.since, $0.key) < ($1.since, $1.key) }
        self.lives = Dictionary(lives.map { ($0.instance, $0) }) { first, _ in first }
        self.prices = Dictionary(grouping: prices, by: \.pool).mapValues { $0.sorted { $0.since < $1.since } }
        self.region = region
        self.horizon = horizon
        let replacements = Set(savings.filter { $0.form == .cheaper }.map(\.subject))
        var open = self.savings.filter { $0.form == .removed }
        removed = Set(open.map(\.subject))
        var returning = self.savings.filter { $0.form == .asleep }
        var ends: [String: Date] = [:]
        for life in lives.sorted(by: { ($0.firstSeen, $0.instance) < ($1.firstSeen, $1.instance) })
        where !replacements.contains(life.instance.rawValue) {
            // A group that wakes brings back as many nodes as it had let go: none of them undoes a removal.
            if let index = returning.firstIndex(where: { saving in
                saving.until.map {
                    $0 <= life.firstSeen && life.firstSeen.timeIntervalSince($0) < SavingsMeasure.returnSeconds
                } ?? false
            }) {
                returning.remove(at: index)
                continue
            }
            // A node that joins takes the place of the removal that is open the longest.
            guard
                let index = open.firstIndex(where: { $0.since < life.firstSeen && $0.subject != life.instance.rawValue }
                )
            else { continue }
            ends[open[index].key] = life.firstSeen
            open.remove(at: index)
        }
        self.ends = ends
    }

    /// What each saving brought on a UTC day; those that were not in force are left out.
    public func measured(on day: LocalDay) -> [SavingDayFact] {
        let start = Date(timeIntervalSince1970: Double(day.number) * 86_400)
        let end = start.addingTimeInterval(86_400)
        return savings.compactMap { saving in
            let from = max(start, saving.since)
            let to = min(
                end, saving.since.addingTimeInterval(horizon.interval), ends[saving.key] ?? .distantFuture,
                saving.until ?? .distantFuture)
            guard from < to else { return nil }
            switch saving.form {
            // What packing makes of it is measured there.
            case .freed: return nil
            case .gone: return fact(saving, day, from, to, after: .zero)
            case .removed:
                // It counts from when the node was really gone.
                let gone = max(from, lives[InstanceID(rawValue: saving.subject)]?.lastSeen ?? from)
                return gone < to ? fact(saving, day, gone, to, after: .zero) : nil
            case .asleep: return asleep(saving, day, from, to)
            case .cheaper:
                guard let life = lives[InstanceID(rawValue: saving.subject)] else { return nil }
                let (first, last) = (max(from, life.firstSeen), min(to, life.lastSeen))
                guard first < last else { return nil }
                return fact(saving, day, first, last, after: paid(life, first, last) ?? saving.after)
            }
        }
    }

    /// What an instance would have cost while its group slept: a spot instance its pool's price of those hours.
    private func asleep(_ saving: SavingFact, _ day: LocalDay, _ from: Date, _ to: Date) -> SavingDayFact? {
        guard !removed.contains(saving.subject), let life = lives[InstanceID(rawValue: saving.subject)] else {
            return nil
        }
        let gone = max(from, life.lastSeen)
        guard gone < to else { return nil }
        var priced = saving
        if life.capacity == .spot {
            guard let price = paid(life, gone, to) else { return nil }
            priced.before = price
        }
        return fact(priced, day, gone, to, after: .zero)
    }

    private func fact(_ saving: SavingFact, _ day: LocalDay, _ from: Date, _ to: Date, after: MicroDollars)
        -> SavingDayFact
    {
        SavingDayFact(of: saving, day: day, hours: to.timeIntervalSince(from) / 3600, after: after)
    }

    /// The time-weighted mean spot price of an instance; nil: it is not spot, or its prices are not known.
    private func paid(_ life: NodeLife, _ from: Date, _ to: Date) -> MicroDollars? {
        guard life.capacity != .onDemand, let type = life.type, let zone = life.zone,
            let history = prices[SpotPool(region: region, zone: zone, type: type)]
        else { return nil }
        var sum = 0.0
        var covered = 0.0
        for (index, step) in history.enumerated() {
            let start = max(step.since, from)
            let end = min(index + 1 < history.count ? history[index + 1].since : to, to)
            let seconds = end.timeIntervalSince(start)
            guard seconds > 0 else { continue }
            sum += seconds * Double(step.price.rawValue)
            covered += seconds
        }
        return covered > 0 ? MicroDollars(rawValue: Int64((sum / covered).rounded())) : nil
    }
}
