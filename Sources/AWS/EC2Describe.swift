import Foundation
import Infrastructure

extension AWSClient {
    /// Pages that one Describe call follows; 1,000 entries each.
    private static let pagesMax = 200

    /// Follows `nextToken` and collects the entries.
    func pages<Entry>(
        _ action: String, _ form: FormParameters, pageSize: Int?, _ options: CallOptions,
        _ entries: (XMLTree) throws -> [Entry]
    ) async throws -> [Entry] {
        var all: [Entry] = []
        var token: String?
        for _ in 0..<AWSClient.pagesMax {
            var page = form
            page.add("MaxResults", pageSize.map(String.init))
            page.add("NextToken", token)
            let call = ServiceCall.ec2(action, page)
            let answer = try await xml(call, options)
            all += try read(call, answer, entries)
            guard let next = answer.string("nextToken") else { return all }
            guard next != token else {
                throw AWSError(
                    .malformedAnswer, action: call.title, message: "the same page token came twice",
                    mayHaveBeenExecuted: false)
            }
            token = next
        }
        throw AWSError(
            .malformedAnswer, action: "ec2 \(action)", message: "more than \(AWSClient.pagesMax) pages",
            mayHaveBeenExecuted: false)
    }

    /// `DescribeInstances` of these ids; an unknown one fails the whole call with `notFound`, naming it.
    public func describeInstances(
        ids: [InstanceID], _ options: CallOptions = CallOptions()
    ) async throws -> [Instance] {
        guard !ids.isEmpty else { return [] }
        var form = FormParameters()
        form.add("InstanceId", list: ids.map(\.rawValue))
        return try await instances(form, pageSize: nil, options)
    }

    /// `DescribeInstances` of those that meet all conditions, terminated ones included.
    public func describeInstances(
        filters: [EC2Filter], pageSize: Int = 1_000, _ options: CallOptions = CallOptions()
    ) async throws -> [Instance] {
        var form = FormParameters()
        form.add(filters: filters)
        return try await instances(form, pageSize: pageSize, options)
    }

    private func instances(_ form: FormParameters, pageSize: Int?, _ options: CallOptions) async throws -> [Instance] {
        try await pages("DescribeInstances", form, pageSize: pageSize, options) { tree in
            try tree.list("reservationSet").flatMap { try $0.list("instancesSet").map { try Instance($0) } }
        }
    }

    /// What EC2's own checks say of an instance.
    public struct InstanceHealth: Sendable, Hashable {
        /// The instance.
        public let id: InstanceID
        /// `ok`, `impaired`, `initializing`, `insufficient-data`, `not-applicable`.
        public let instanceStatus: String
        /// The same words, of the machine below it.
        public let systemStatus: String
        /// Events that AWS has planned, such as `instance-retirement`.
        public let eventCodes: [String]
    }

    /// `DescribeInstanceStatus` of running instances.
    public func describeInstanceStatus(
        filters: [EC2Filter] = [], _ options: CallOptions = CallOptions()
    ) async throws -> [InstanceHealth] {
        var form = FormParameters()
        form.add(filters: filters)
        return try await pages("DescribeInstanceStatus", form, pageSize: 1_000, options) { tree in
            try tree.list("instanceStatusSet").map { item in
                InstanceHealth(
                    id: InstanceID(rawValue: try item.required("instanceId")),
                    instanceStatus: item.string("instanceStatus", "status") ?? "unknown",
                    systemStatus: item.string("systemStatus", "status") ?? "unknown",
                    eventCodes: item.list("eventsSet").compactMap { $0.string("code") })
            }
        }
    }

    /// `DescribeSpotPriceHistory` of Linux since then, with the price in force at that time.
    public func describeSpotPriceHistory(
        types: [String], since: Date, _ options: CallOptions = CallOptions()
    ) async throws -> [SpotPrice] {
        var form = FormParameters()
        form.add("InstanceType", list: types)
        form.add("ProductDescription", list: ["Linux/UNIX"])
        form.add("StartTime", AWSTimestamp.extended(since))
        let region = region
        return try await pages("DescribeSpotPriceHistory", form, pageSize: 1_000, options) { tree in
            try tree.list("spotPriceHistorySet").map { item in
                let pool = SpotPool(
                    region: region, zone: try item.required("availabilityZone"), type: try item.required("instanceType")
                )
                let price = try item.required("spotPrice")
                guard let amount = Decimal(string: price, locale: Locale(identifier: "en_US_POSIX")), amount >= 0,
                    amount < 1_000_000, let at = AWSTimestamp.date(try item.required("timestamp"))
                else { throw XMLTree.Malformed(description: "\(pool) has no readable price: \(price.prefix(40))") }
                return SpotPrice(
                    pool: pool, price: MicroDollars(rawValue: AWSClient.micro(amount)), since: at)
            }
        }
    }

    /// Millionths, rounded to the nearest.
    static func micro(_ dollars: Decimal) -> Int64 {
        var exact = dollars * 1_000_000
        var rounded = Decimal()
        unsafe NSDecimalRound(&rounded, &exact, 0, .plain)
        return NSDecimalNumber(decimal: rounded).int64Value
    }

    /// A subnet.
    public struct Subnet: Sendable, Hashable {
        /// `subnet-…`.
        public let id: String
        /// The zone's name.
        public let zone: String
        /// The zone's id, the same in all accounts: `use1-az1`; nil: not told.
        public let zoneID: String?
        /// Its VPC.
        public let vpc: String
        /// Addresses left.
        public let freeAddresses: Int
        /// Tags.
        public let tags: [String: String]
    }

    /// `DescribeSubnets` of those that meet all conditions.
    public func describeSubnets(
        filters: [EC2Filter] = [], _ options: CallOptions = CallOptions()
    ) async throws -> [Subnet] {
        var form = FormParameters()
        form.add(filters: filters)
        return try await pages("DescribeSubnets", form, pageSize: 1_000, options) { tree in
            try tree.list("subnetSet").map { item in
                Subnet(
                    id: try item.required("subnetId"), zone: try item.required("availabilityZone"),
                    zoneID: item.string("availabilityZoneId"), vpc: try item.required("vpcId"),
                    freeAddresses: item.string("availableIpAddressCount").flatMap { Int($0) } ?? 0, tags: item.tags)
            }
        }
    }
}

extension XMLTree {
    /// EC2's `tagSet`.
    var tags: [String: String] {
        Dictionary(list("tagSet").compactMap { tag in tag.string("key").map { ($0, tag.string("value") ?? "") } }) {
            $1
        }
    }
}

extension Instance {
    /// Reads an item of `instancesSet`.
    init(_ item: XMLTree) throws {
        let id = InstanceID(rawValue: try item.required("instanceId"))
        self.init(
            id: id,
            state: InstanceState(rawValue: item.string("instanceState", "name") ?? "") ?? .unknown,
            stateReason: item.string("stateReason", "code"),
            type: try item.required("instanceType"),
            zone: item.string("placement", "availabilityZone") ?? "",
            subnet: item.string("subnetId"),
            capacity: item.string("instanceLifecycle") == "spot" ? .spot : .onDemand,
            tags: item.tags,
            launchedAt: item.string("launchTime").flatMap(AWSTimestamp.date),
            clientToken: item.string("clientToken"),
            isServiceManaged: item.string("operator", "managed") == "true")
    }
}
