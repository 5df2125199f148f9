import Foundation
import Infrastructure
import JobQueue

/// `fetch-on-demand-prices`: reads a region's on-demand prices from the price list. What it does not bring is looked up in the
/// table shipped with the program.
public struct FetchOnDemandPrices: Job {
    /// The kind's name.
    public static let kind: JobKind = "fetch-on-demand-prices"

    /// It takes none.
    public struct Parameters: Codable, Sendable {}

    struct Memory: Codable, Sendable, Equatable {
        var token: String?
        var pages = 0
        var types = 0
    }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var now: Date
        var region: String
        var memory: Memory
        var page: OnDemandPage
    }

    /// Pages that are followed; 100 types each.
    static let pagesMax = 100

    /// Makes the job of one request.
    public init(_ parameters: Parameters) {}

    /// Reads one page.
    public func observe(_ context: JobContext) async throws -> Observation {
        let region = try RegionTarget.region(of: context.target)
        let memory = try context.memory(as: Memory.self) ?? Memory()
        let page = try await context.market(region: region).onDemandPrices(token: memory.token)
        return Observation(now: context.now, region: region, memory: memory, page: page)
    }

    /// Keeps the page, and goes on.
    public func decide(_ observation: Observation) throws -> Decision {
        var memory = observation.memory
        memory.pages += 1
        memory.types += observation.page.prices.count
        var decision = Decision()
        if !observation.page.prices.isEmpty {
            decision.facts.append(
                .onDemandPrices(
                    OnDemandFact(region: observation.region, prices: observation.page.prices, at: observation.now)))
        }
        if let next = observation.page.next, next != memory.token, memory.pages < FetchOnDemandPrices.pagesMax {
            memory.token = next
            decision.memory = try JSONText(encoding: memory)
            decision.progress = JobProgress(done: memory.types, note: "types")
            decision.next = .again(afterMilliseconds: 0)
            return decision
        }
        decision.facts.append(
            .priceSource(PriceSourceFact(name: "on-demand/\(observation.region)", at: observation.now)))
        if memory.types == 0 {
            decision.findings.append(
                Finding(
                    "no-price-list", cluster: nil, subject: observation.region, .warning,
                    "The price list names no instance types in \(observation.region): the shipped table serves, which is of us-east-1."
                ))
        }
        decision.result = JSONText(text: "{\"types\":\(memory.types)}")
        return decision
    }
}
