import Foundation
import HTTPClient
import Infrastructure

extension AWSClient {
    /// One page of `DescribeSpotPriceHistory` of Linux. Whoever follows the tokens must bear empty pages and tokens that
    /// repeat.
    public func spotPricePage(
        types: [String], from: Date, until: Date, token: String?, _ options: CallOptions = CallOptions()
    ) async throws -> SpotPricePage {
        var form = FormParameters()
        form.add("InstanceType", list: types)
        form.add("ProductDescription", list: ["Linux/UNIX"])
        form.add("StartTime", AWSTimestamp.extended(from))
        form.add("EndTime", AWSTimestamp.extended(until))
        form.add("MaxResults", "1000")
        form.add("NextToken", token)
        let call = ServiceCall.ec2("DescribeSpotPriceHistory", form)
        let answer = try await xml(call, options)
        let rows = try read(call, answer) { tree in
            try tree.list("spotPriceHistorySet").map { item in
                let type = try item.required("instanceType")
                let price = try item.required("spotPrice")
                guard let amount = AWSClient.dollars(price), let at = AWSTimestamp.date(try item.required("timestamp"))
                else { throw XMLTree.Malformed(description: "\(type) has no readable price: \(price.prefix(40))") }
                return SpotPriceRow(
                    zone: try item.required("availabilityZone"), zoneID: item.string("availabilityZoneId"), type: type,
                    price: amount, at: at)
            }
        }
        return SpotPricePage(rows: rows, next: answer.string("nextToken"))
    }

    /// Dollars as AWS writes them; nil for anything else.
    static func dollars(_ text: String) -> MicroDollars? {
        guard let amount = Decimal(string: text, locale: Locale(identifier: "en_US_POSIX")), amount >= 0,
            amount < 1_000_000
        else { return nil }
        return MicroDollars(rawValue: micro(amount))
    }

    /// `DescribeAvailabilityZones`: the id of each zone by its name in this account.
    public func availabilityZones(_ options: CallOptions = CallOptions()) async throws -> [String: String] {
        let call = ServiceCall.ec2("DescribeAvailabilityZones", FormParameters())
        let answer = try await xml(call, options)
        return try read(call, answer) { tree in
            Dictionary(
                try tree.list("availabilityZoneInfo").compactMap { item in
                    let name = try item.required("zoneName")
                    return item.string("zoneId").map { (name, $0) }
                }, uniquingKeysWith: { first, _ in first })
        }
    }

    private struct ProductsBody: Encodable {
        struct Filter: Encodable {
            var Field: String
            var `Type` = "TERM_MATCH"
            var Value: String
        }
        var ServiceCode = "AmazonEC2"
        var FormatVersion = "aws_v1"
        var MaxResults = 100
        var NextToken: String?
        var Filters: [Filter]
    }

    private struct ProductsAnswer: Decodable {
        var PriceList: [String]?
        var NextToken: String?
    }

    private struct Product: Decodable {
        struct Description: Decodable { var attributes: [String: String] }
        struct Term: Decodable { var priceDimensions: [String: Dimension] }
        struct Dimension: Decodable {
            var unit: String
            var pricePerUnit: [String: String]
        }
        var product: Description
        var terms: [String: [String: Term]]

        /// Dollars per hour; nil: not sold by the hour in dollars (China's lists are in CNY).
        var price: MicroDollars? {
            terms["OnDemand"]?.values.flatMap(\.priceDimensions.values).filter { $0.unit == "Hrs" }
                .compactMap { $0.pricePerUnit["USD"].flatMap(AWSClient.dollars) }.filter { $0 > .zero }.min()
        }
    }

    /// One page of `pricing:GetProducts`: on-demand Linux with shared tenancy, nothing preinstalled. Source of the
    /// filters: Karpenter's pricing provider.
    public func onDemandPricePage(
        region: String, token: String?, _ options: CallOptions = CallOptions()
    ) async throws -> OnDemandPage {
        let filters = [
            ("regionCode", region), ("operatingSystem", "Linux"), ("tenancy", "Shared"), ("preInstalledSw", "NA"),
            ("capacitystatus", "Used"), ("marketoption", "OnDemand"), ("operation", "RunInstances"),
        ].map { ProductsBody.Filter(Field: $0.0, Value: $0.1) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let body = try encoder.encode(ProductsBody(NextToken: token, Filters: filters))
        let call = ServiceCall(
            service: .pricing, action: "GetProducts",
            payload: .json(target: "AWSPriceListService.GetProducts", body: Array(body)), isRepeatable: true,
            attemptTimeout: .seconds(30))
        let answer = try await send(call, options)
        return try read(call, answer.body) { bytes in
            let page = try JSONDecoder().decode(ProductsAnswer.self, from: Data(bytes))
            var prices: [String: MicroDollars] = [:]
            for text in page.PriceList ?? [] {
                let product = try JSONDecoder().decode(Product.self, from: Data(text.utf8))
                guard let type = product.product.attributes["instanceType"], let price = product.price else { continue }
                prices[type] = min(price, prices[type] ?? price)
            }
            return OnDemandPage(prices: prices, next: page.NextToken.flatMap { $0.isEmpty ? nil : $0 })
        }
    }
}
