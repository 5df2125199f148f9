import Foundation
import Infrastructure
import JobQueue

/// Turns facts and findings into records. Stores registers one upsert for each kind named here.
public enum FactRecords {
    /// The kinds of records, as Stores' statements name them.
    public enum Kind: String, Sendable, CaseIterable {
        /// `EventFact`.
        case event
        /// `DeadLetterFact`.
        case eventDeadLetter = "event_dead_letter"
        /// `Interruption`.
        case interruption
        /// `InterruptionProgress`.
        case interruptionProgress = "interruption_progress"
        /// `UnavailablePoolFact`.
        case unavailablePool = "unavailable_pool"
        /// `IndexedInstance`.
        case indexedInstance = "indexed_instance"
        /// A sweep of the index; written after the entries, as kinds are in the order of their names.
        case indexSwept = "instance_sweep"
        /// `SavingFact`.
        case saving
        /// A decision that waits for a person.
        case proposal
        /// What became of a proposal that was approved; written after `proposal`.
        case proposalEnd = "proposal_end"
        /// `SavingDayFact`.
        case savingDay = "saving_day"
        /// `SweepFact`.
        case sweep
        /// `SpotPriceFact`.
        case spotPrices = "spot_prices"
        /// `OnDemandFact`.
        case onDemandPrices = "on_demand_prices"
        /// `AdviceFact`.
        case advice = "spot_advice"
        /// `AccountZonesFact`.
        case accountZones = "account_zones"
        /// `PriceSourceFact`.
        case priceSource = "price_source"
        /// `PriceDaysFact`.
        case priceDays = "price_days"
        /// `RiskPrediction`.
        case riskPrediction = "risk_prediction"
        /// `PoolIncident`.
        case poolIncident = "pool_incident"
        /// `VolumeSighting`.
        case volumeSighting = "volume_sighting"
        /// `VolumeGone`.
        case volumeGone = "volume_gone"
        /// `GhostSighting`.
        case ghostSighting = "ghost_sighting"
        /// `GhostGone`.
        case ghostGone = "ghost_gone"
        /// `NodePlan`.
        case nodePlan = "node_plan"
        /// `Finding`.
        case finding
        /// `Sleeper`.
        case sleeper
        /// `NodeGroupSleep`.
        case nodeGroupSleep = "node_group_sleep"
        /// `UsageFact`.
        case usage
        /// `MemoryRaiseFact`.
        case memoryRaise = "memory_raise"
    }

    static func records(of decision: Decision, context: HandlerContext) throws -> [Record] {
        try decision.facts.map(record(of:)) + decision.findings.map { try record($0, context: context) }
    }

    static func record(_ finding: Finding, context: HandlerContext) throws -> Record {
        Record(
            kind: Kind.finding.rawValue,
            key: "\(finding.code)/\(finding.cluster?.rawValue ?? "")/\(finding.subject)",
            value: try encode(FindingRow(finding: finding, jobKind: context.job.kind.rawValue)))
    }

    private struct FindingRow: Encodable {
        var code: String
        var cluster: String?
        var subject: String
        var severity: String
        var message: String
        var jobKind: String
        var saving: MicroDollars?
        var confidence: Double?

        init(finding: Finding, jobKind: String) {
            code = finding.code
            cluster = finding.cluster?.rawValue
            subject = finding.subject
            severity = finding.severity.rawValue
            message = finding.message
            self.jobKind = jobKind
            saving = finding.saving
            confidence = finding.confidence
        }
    }

    private struct Incident: Encodable {
        var account: String
        var incident: PoolIncident
    }

    private struct Sweep: Encodable {
        var cluster: ClusterID
        var before: Date
    }

    /// The record of a fact: its kind, its row's business key, its row.
    public static func record(of fact: Fact) throws -> Record {
        switch fact {
        case .event(let event): try make(.event, event.key, event)
        case .deadLetter(let letter): try make(.eventDeadLetter, "\(letter.queue)/\(letter.message)", letter)
        case .interruption(let item): try make(.interruption, "\(item.cluster)/\(item.instance)", item)
        case .interruptionProgress(let item):
            try make(.interruptionProgress, "\(item.cluster)/\(item.instance)/\(item.generation)", item)
        case .unavailablePool(let item):
            try make(.unavailablePool, "\(item.account)/\(item.pool)/\(item.capacity.rawValue)", item)
        case .indexedInstance(let item): try make(.indexedInstance, "\(item.cluster)/\(item.instance)", item)
        case .indexSwept(let cluster, let before):
            try make(.indexSwept, cluster.rawValue, Sweep(cluster: cluster, before: before))
        case .saving(let item): try make(.saving, item.key, item)
        case .savingDay(let item): try make(.savingDay, "\(item.key)/\(item.day)", item)
        case .sweep(let item): try make(.sweep, "sweep", item)
        case .spotPrices(let item):
            try make(.spotPrices, "\(item.region)/\(item.rows.first.map { "\($0.type)/\($0.at)" } ?? "")", item)
        case .onDemandPrices(let item): try make(.onDemandPrices, item.region, item)
        case .advice(let item): try make(.advice, item.region, item)
        case .accountZones(let item): try make(.accountZones, "\(item.account)/\(item.region)", item)
        case .priceSource(let item): try make(.priceSource, item.name, item)
        case .priceDays(let item):
            try make(.priceDays, "\(item.region)/\(item.types.first ?? "")/\(item.days.first?.description ?? "")", item)
        case .riskPrediction(let item):
            try make(.riskPrediction, "\(item.account)/\(item.pool)/\(item.day)", item)
        case .poolIncident(let account, let item):
            try make(.poolIncident, "\(account)/\(item.pool)/\(item.at)", Incident(account: account, incident: item))
        case .volumeSighting(let item): try make(.volumeSighting, "\(item.account)/\(item.volume)", item)
        case .volumeGone(let item): try make(.volumeGone, "\(item.account)/\(item.volume)", item)
        case .ghostSighting(let item): try make(.ghostSighting, "\(item.account)/\(item.instance)", item)
        case .ghostGone(let item): try make(.ghostGone, "\(item.account)/\(item.instance)", item)
        case .sleeper(let item): try make(.sleeper, "\(item.cluster)/\(item.object.uid)", item)
        case .nodeGroupSleep(let item): try make(.nodeGroupSleep, "\(item.cluster)/\(item.group)", item)
        case .usage(let item): try make(.usage, "\(item.cluster)/\(item.key)/\(item.usage.day)", item)
        case .memoryRaise(let item): try make(.memoryRaise, "\(item.cluster)/\(item.record.kill.key)", item)
        case .nodePlan(let item): try make(.nodePlan, "\(item.cluster)/\(item.number)", item)
        }
    }

    private static func make(_ kind: Kind, _ key: String, _ value: some Encodable) throws -> Record {
        Record(kind: kind.rawValue, key: key, value: try encode(value))
    }

    /// The same names as in SQL: snake_case; instants as ISO 8601 with milliseconds.
    private static func encode(_ value: some Encodable) throws -> JSONText {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
        }
        do {
            let text = String(decoding: try encoder.encode(value), as: UTF8.self)
            // jsonb cannot hold U+0000; it comes only from hostile input, and a space says as much.
            return JSONText(text: text.replacingOccurrences(of: "\\u0000", with: " "))
        } catch {
            throw QueueError(.invalid, "cannot write \(type(of: value)) as a record", underlying: error)
        }
    }
}
