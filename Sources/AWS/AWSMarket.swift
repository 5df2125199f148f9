import Foundation
import HTTPClient
import Infrastructure

/// What capacity costs in one region, read with the installation's own credentials.
public struct AWSMarket: Market {
    private let client: AWSClient
    private let egress: EgressPolicy

    /// Wraps a client of the region.
    /// - Parameter egress: what bounds the address that the Spot Advisor's document is read from.
    public init(client: AWSClient, egress: EgressPolicy) {
        self.client = client
        self.egress = egress
    }

    /// One page of `DescribeSpotPriceHistory`.
    public func spotPrices(types: [String], from: Date, until: Date, token: String?) async throws -> SpotPricePage {
        try await translated {
            try await client.spotPricePage(types: types, from: from, until: until, token: token)
        }
    }

    /// One page of `GetProducts`.
    public func onDemandPrices(token: String?) async throws -> OnDemandPage {
        // The price list is served from few regions only; us-east-1 tells of all (domain-rules section 11).
        let region = client.region
        return try await translated {
            try await client.inRegion("us-east-1").onDemandPricePage(region: region, token: token)
        }
    }

    /// `DescribeAvailabilityZones`.
    public func zoneIDs() async throws -> [String: String] {
        try await translated { try await client.availabilityZones() }
    }

    /// The Spot Advisor's document, over HTTPS and without credentials.
    public func advice(url: String, unlessTagged tag: String?) async throws -> AdvisorAnswer {
        let request = HTTPRequest(
            method: "GET", url: url, headers: tag.map { [(name: "If-None-Match", value: $0)] } ?? [],
            timeout: .seconds(30), responseBytesMax: 32 << 20, egress: egress)
        let response: HTTPResponse
        do {
            response = try await client.transport.send(request)
        } catch let error as HTTPError {
            throw FarSideError(error.code == .egressRefused ? .egressRefused : .network, error.message)
        }
        switch response.status {
        case 304: return .unchanged
        case 200: return .document(tag: response.header("ETag"), regions: try SpotAdvisorFeed.regions(response.body))
        case 429, 503: throw FarSideError(.throttled, "the Spot Advisor answered \(response.status)")
        case 400...499:
            throw FarSideError(.refused, farCode: "\(response.status)", "the Spot Advisor answered \(response.status)")
        default: throw FarSideError(.fault, "the Spot Advisor answered \(response.status)")
        }
    }

    private func translated<Value>(_ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch { throw EC2Cloud.translation(of: error) }
    }
}

/// The Spot Advisor's public document.
/// Source: https://spot-bid-advisor.s3.amazonaws.com/spot-advisor-data.json
enum SpotAdvisorFeed {
    private struct Document: Decodable {
        struct Entry: Decodable {
            var s: Int
            var r: Int
        }
        var spot_advisor: [String: [String: [String: Entry]]]
    }

    /// Linux advice by region and type. Entries out of range are left out; a document without any is refused.
    static func regions(_ body: [UInt8]) throws -> [String: [String: SpotAdvice]] {
        let document: Document
        do {
            document = try JSONDecoder().decode(Document.self, from: Data(body))
        } catch {
            throw FarSideError(
                .malformed, "the Spot Advisor's document is not of the known form: \(error)".prefix(300).description)
        }
        let regions = document.spot_advisor.compactMapValues { systems in
            systems["Linux"]?.filter { (0...4).contains($0.value.r) && (-1000...100).contains($0.value.s) }
                .mapValues { SpotAdvice(range: $0.r, savingPercent: $0.s) }
        }
        guard regions.values.contains(where: { !$0.isEmpty }) else {
            throw FarSideError(.malformed, "the Spot Advisor's document names no types")
        }
        return regions
    }
}
