import Foundation

/// Spot prices: a seeded walk per pool, anchored on the on-demand price, that moves about every 6.5 hours as real
/// pools do (median gap 6.3-7.0 h in a recorded c5a.2xlarge history of 49 days).
struct SpotMarket: Sendable {
    let seed: UInt64

    private static let stepSeconds = 23_400.0

    /// Steps begin at irregular times: the n-th somewhere in the n-th slot.
    private func start(ofStep step: Int, pool: String) -> Double {
        var random = SeededRandom(seed: seed, for: "spot/\(pool)/\(step)")
        return (Double(step) + random.fraction()) * Self.stepSeconds
    }

    private func price(step: Int, type: InstanceType, pool: String) -> Double {
        var level = SeededRandom(seed: seed, for: "spot/\(pool)")
        let base = level.double(in: 0.28...0.62)
        let period = level.double(in: 20...60)
        var noise = SeededRandom(seed: seed, for: "noise/\(pool)/\(step)")
        let wave = 1 + 0.06 * sin(Double(step) * 2 * .pi / period) + noise.double(in: -0.012...0.012)
        return (type.onDemandPrice * base * wave * 10_000).rounded() / 10_000
    }

    private func step(at time: Date, pool: String) -> Int {
        let seconds = time.timeIntervalSince1970
        let slot = Int((seconds / Self.stepSeconds).rounded(.down))
        return start(ofStep: slot, pool: pool) <= seconds ? slot : slot - 1
    }

    /// US dollars per hour in force at a time.
    func price(type: String, zone: String, at time: Date) -> Double {
        let pool = type + "/" + zone
        return price(step: step(at: time, pool: pool), type: InstanceCatalogue.type(named: type), pool: pool)
    }

    /// DescribeSpotPriceHistory: the changes in the window, newest first, and the price in force at its start.
    func answer(_ call: AWSCall, now: Date, zoneIDs: [String: String] = [:]) -> ServerReply {
        let parameters = AWSParameters(call.parameters)
        var types = parameters.list("InstanceType")
        var zones = [parameters["AvailabilityZone"]].compactMap { $0 }
        for filter in parameters.groups("Filter") {
            if filter["Name"] == "availability-zone" { zones += filter.list("Value") }
            if filter["Name"] == "instance-type" { types += filter.list("Value") }
        }
        if types.isEmpty { types = InstanceCatalogue.common.map(\.name) }
        if zones.isEmpty { zones = ["a", "b", "c"].map { call.region + $0 } }
        let earliest = now.addingTimeInterval(-90 * 86400)
        let asked = min(now, parameters["EndTime"].flatMap(Timestamp.parse) ?? now)
        // What ended before that is kept no more: a walk through the pages may meet a clock that was moved.
        if asked < earliest { types = [] }
        let end = max(earliest, asked)
        let start = max(earliest, min(end, parameters["StartTime"].flatMap(Timestamp.parse) ?? earliest))
        var rows: [(time: Double, xml: String)] = []
        for type in types {
            guard let known = InstanceCatalogue.byName[type] else { continue }
            for zone in zones {
                let pool = type + "/" + zone
                for step in step(at: start, pool: pool)...step(at: end, pool: pool) {
                    let time = self.start(ofStep: step, pool: pool)
                    rows.append(
                        (time, row(type, zone, zoneIDs[zone], time, price(step: step, type: known, pool: pool))))
                }
            }
        }
        rows.sort { ($0.time, $0.xml) > ($1.time, $1.xml) }
        let offset = parameters["NextToken"].flatMap { Int($0) } ?? 0
        let limit = min(1000, max(1, parameters["MaxResults"].flatMap { Int($0) } ?? 1000))
        let page = rows.dropFirst(offset).prefix(limit)
        let next = offset + page.count < rows.count ? String(offset + page.count) : ""
        let text =
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeSpotPriceHistoryResponse "
            + "xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>spot</requestId><spotPriceHistorySet>"
            + page.map(\.xml).joined()
            + "</spotPriceHistorySet><nextToken>\(next)</nextToken></DescribeSpotPriceHistoryResponse>"
        return .text(text, status: 200, contentType: "text/xml;charset=UTF-8")
    }

    private func row(_ type: String, _ zone: String, _ zoneID: String?, _ time: Double, _ price: Double) -> String {
        let digits = String(Int((price * 10_000).rounded()))
        let padded = String(repeating: "0", count: max(0, 5 - digits.count)) + digits
        let text = padded.dropLast(4) + "." + padded.suffix(4) + "00"
        return "<item>" + XMLText.element("instanceType", type) + "<productDescription>Linux/UNIX</productDescription>"
            + XMLText.element("spotPrice", String(text))
            + XMLText.element("timestamp", Timestamp.milliseconds(Date(timeIntervalSince1970: time)))
            + XMLText.element("availabilityZone", zone) + XMLText.element("availabilityZoneId", zoneID) + "</item>"
    }
}
