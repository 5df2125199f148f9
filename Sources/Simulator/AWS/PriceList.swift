/// pricing:GetProducts for on-demand Linux instances, which moto does not have.
enum PriceList {
    private static let regionNames = [
        "us-east-1": "US East (N. Virginia)", "us-east-2": "US East (Ohio)", "us-west-2": "US West (Oregon)",
        "eu-west-1": "EU (Ireland)", "eu-central-1": "EU (Frankfurt)",
    ]

    static func answer(_ call: AWSCall) -> ServerReply {
        var wanted: [String: String] = [:]
        for filter in call.json["Filters"].array {
            if let field = filter["Field"].string, let value = filter["Value"].string { wanted[field] = value }
        }
        let region = wanted["regionCode"] ?? regionNames.first { $0.value == wanted["location"] }?.key ?? "us-east-1"
        let matching = InstanceCatalogue.all.filter { type in
            let attributes = attributes(type, region: region)
            return wanted.allSatisfy { key, value in attributes[key].map { $0 == value } ?? true }
        }
        let offset = call.json["NextToken"].string.flatMap { Int($0) } ?? 0
        let limit = min(100, max(1, call.json["MaxResults"].int ?? 100))
        let page = matching.dropFirst(offset).prefix(limit)
        var body: JSONValue = [
            "FormatVersion": "aws_v1", "PriceList": .array(page.map { .string(product($0, region: region).text) }),
        ]
        if offset + page.count < matching.count { body["NextToken"] = .string(String(offset + page.count)) }
        var reply = ServerReply.json(body)
        reply.contentType = "application/x-amz-json-1.1"
        return reply
    }

    private static func attributes(_ type: InstanceType, region: String) -> [String: String] {
        [
            "instanceType": type.name, "regionCode": region, "location": regionNames[region] ?? region,
            "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used",
            "licenseModel": "No License required", "vcpu": String(type.vcpus), "memory": "\(type.memoryMiB / 1024) GiB",
            "marketoption": "OnDemand", "operation": "RunInstances",
        ]
    }

    private static func product(_ type: InstanceType, region: String) -> JSONValue {
        let sku = "SIM" + type.name.uppercased().filter { $0 != "." }
        let rate = sku + ".JRTCKXETXF.6YS6EN2CT7"
        return [
            "product": [
                "productFamily": "Compute Instance", "sku": .string(sku),
                "attributes": JSONValue(strings: attributes(type, region: region)),
            ],
            "serviceCode": "AmazonEC2", "publicationDate": "2026-01-15T00:00:00Z",
            "terms": [
                "OnDemand": .object([
                    sku + ".JRTCKXETXF": [
                        "sku": .string(sku), "offerTermCode": "JRTCKXETXF",
                        "priceDimensions": .object([
                            rate: [
                                "unit": "Hrs", "rateCode": .string(rate), "beginRange": "0", "endRange": "Inf",
                                "pricePerUnit": ["USD": .string(String(type.onDemandPrice))],
                            ]
                        ]),
                    ]
                ])
            ],
        ]
    }
}
