import Foundation
import Infrastructure
import JobQueue

/// `fetch-advisor`: reads AWS's Spot Advisor when it has changed. Until the first time the shipped copy serves.
public struct FetchAdvisor: Job {
    /// The kind's name.
    public static let kind: JobKind = "fetch-advisor"

    /// What a request may say.
    public struct Parameters: Codable, Sendable {
        var url: String
    }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var now: Date
        /// nil: it is not to be asked.
        var answer: AdvisorAnswer?
        var tag: String?
    }

    private let parameters: Parameters

    /// Makes the job of one request.
    public init(_ parameters: Parameters) { self.parameters = parameters }

    /// Asks for the document, unless it is the one that is known.
    public func observe(_ context: JobContext) async throws -> Observation {
        let known = try await context.sources.prices.source("advisor")
        if parameters.url == "none" { return Observation(now: context.now, answer: nil, tag: known?.tag) }
        let answer = try await context.market(region: "us-east-1").advice(url: parameters.url, unlessTagged: known?.tag)
        return Observation(now: context.now, answer: answer, tag: known?.tag)
    }

    /// Keeps the advice of every region.
    public func decide(_ observation: Observation) throws -> Decision {
        switch observation.answer {
        case nil: return Decision(isEmpty: true)
        case .unchanged:
            let source = PriceSourceFact(name: "advisor", tag: observation.tag, at: observation.now)
            return Decision(facts: [.priceSource(source)], result: JSONText(text: "{\"changed\":false}"))
        case .document(let tag, let regions):
            let facts = regions.sorted { $0.key < $1.key }.map {
                Fact.advice(AdviceFact(region: $0.key, advice: $0.value))
            }
            return Decision(
                facts: facts + [.priceSource(PriceSourceFact(name: "advisor", tag: tag, at: observation.now))],
                result: JSONText(text: "{\"changed\":true,\"regions\":\(regions.count)}"))
        }
    }
}
