import Foundation
import Infrastructure
import JobQueue

/// `daily-refresh`, at 02:00 UTC: has the last week's prices and the Spot Advisor read anew, and removes rows that are too
/// old to matter.
public struct DailyRefresh: Job {
    /// The kind's name.
    public static let kind: JobKind = "daily-refresh"

    /// What a request may say.
    public struct Parameters: Codable, Sendable {
        var history_days: Int?
        var finding_days: Int?
        var interruption_days: Int?
        var dead_letter_days: Int?
        var proposal_days: Int?
        var price_days: Int?
    }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var now: Date
        var regions: [String]
    }

    private let parameters: Parameters

    /// Makes the job of one request.
    public init(_ parameters: Parameters) { self.parameters = parameters }

    /// Reads which regions were read before: one that never was has its first fetch before it, and needs no second.
    public func observe(_ context: JobContext) async throws -> Observation {
        var regions: [String] = []
        for region in try await context.sources.registry.regions()
        where try await context.sources.prices.source("spot/\(region)") != nil {
            regions.append(region)
        }
        return Observation(now: context.now, regions: regions)
    }

    /// One follow-up for each source and region, once a day; a region goes on by itself where it was stopped.
    public func decide(_ observation: Observation) throws -> Decision {
        let day = LocalDay(observation.now, in: .gmt)
        func key(_ name: String) -> IdempotencyKey {
            IdempotencyKey("daily-refresh/\(day)/\(name)", release: .after(.seconds(86_400)))
        }
        // Regions of AWS: about 35, and at most 50 follow-ups in one decision.
        let regions = observation.regions.prefix((Decision.followUpsMax - 1) / 2)
        var followUps = regions.isEmpty ? [] : [JobRequest(FetchAdvisor.kind, key: key("advisor"))]
        for region in regions {
            let target = "region/\(region)"
            let history = JSONText(text: "{\"history_days\":\(parameters.history_days ?? 7)}")
            followUps.append(
                JobRequest(FetchSpotPrices.kind, parameters: history, target: target, key: key("spot/\(region)")))
            followUps.append(JobRequest(FetchOnDemandPrices.kind, target: target, key: key("on-demand/\(region)")))
        }
        var decision = Decision(followUps: followUps)
        if observation.regions.count > regions.count {
            decision.findings.append(
                Finding(
                    "too-many-regions", cluster: nil, subject: "daily-refresh", .warning,
                    "\(observation.regions.count) regions, of which the first \(regions.count) are refreshed at 02:00; the hourly fetches reach all."
                ))
        }
        decision.facts = [
            .sweep(
                SweepFact(
                    findingDays: parameters.finding_days ?? 30, interruptionDays: parameters.interruption_days ?? 90,
                    deadLetterDays: parameters.dead_letter_days ?? 30, proposalDays: parameters.proposal_days ?? 90,
                    priceDays: parameters.price_days ?? 400))
        ]
        decision.result = JSONText(text: "{\"regions\":\(regions.count)}")
        return decision
    }
}
