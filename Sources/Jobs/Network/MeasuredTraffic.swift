import Foundation
import Infrastructure
import Optimizer

/// Traffic between workloads as VPC flow logs have it: a sample of an hour or so, never more than a bounded part of the logs.
struct MeasuredTraffic: Codable, Sendable, Equatable {
    /// The sample's beginning.
    var from: Date
    /// Its end.
    var until: Date
    /// Pairs by falling cross-zone bytes, at most `pairsMax`.
    var pairs: [TrafficPair] = []
    /// Bytes with an end that is no known pod.
    var unknownBytes: Int64 = 0
    /// Flow logs that were read, by id.
    var logs: [String] = []
    /// Whether the logs hold more than was read: then everything is at least so much.
    var isCut = false
    /// What could not be read, and why: at most `unreadMax` of them.
    var unread: [String] = []
    /// How much could not be read.
    var unreadCount = 0
    /// Why nothing was measured; nil: it was, or there is no flow log.
    var problem: String?

    /// Pairs that a decision is made from.
    static let pairsMax = 500
    /// Reasons that are kept.
    static let unreadMax = 20
    /// Records come so late: those of the last minutes are not all there.
    static let delay: TimeInterval = 15 * 60

    /// Hours of the sample.
    var hours: Double { max(1.0 / 60, until.timeIntervalSince(from) / 3600) }

    /// How sure it is, 0 to 1: the share of bytes whose ends are known, half of it where the logs hold more than was read.
    var confidence: Double {
        let known = Double(pairs.map(\.bytes).reduce(0, +))
        let all = known + Double(unknownBytes)
        return all > 0 ? known / all * (isCut ? 0.5 : 1) : 0
    }

    /// Reads the flow logs of the nodes' subnets and VPCs.
    /// - Parameters:
    ///   - minutes: how much time is looked at.
    ///   - pagesMax: pages that are read at most: 10,000 records or 1 MiB of CloudWatch Logs, or one object of S3, each.
    ///   - bytesMax: most text that is read; the page that passes it is the last.
    /// - Returns: nil where there is no flow log that can be read this way.
    /// - Throws: `FarSideError` for what may go better the next time.
    static func read(
        _ cloud: any CloudReader, objects: ClusterObjects, now: Date, minutes: Int, pagesMax: Int, bytesMax: Int
    ) async throws -> MeasuredTraffic? {
        let until = now.addingTimeInterval(-delay)
        var found = MeasuredTraffic(from: until.addingTimeInterval(-60 * Double(max(1, minutes))), until: until)
        var matrix = TrafficMatrix(leases: leases(objects))
        var allowance = Allowance(pages: pagesMax, bytes: bytesMax)
        do {
            let instances = try await cloud.instances(objects.nodes.compactMap(\.instance))
            let subnets = Set(instances.compactMap(\.subnet)).sorted()
            guard !subnets.isEmpty else { return nil }
            var seen: Set<FlowLogSource> = []
            for log in try await cloud.flowLogs(ofSubnets: subnets) {
                // A group whose records are of one format is read once, however many logs write to it.
                var place = log
                if case .logGroup = log.place { place.id = "" }
                guard FlowLogFormat(log.format) != nil, seen.insert(place).inserted else { continue }
                do {
                    try await found.read(log, from: cloud, into: &matrix, &allowance)
                    found.logs.append(log.id)
                } catch let error as FarSideError where error.isDefinite {
                    found.miss("\(log.id): \(text(error))")
                }
            }
        } catch let error as FarSideError where error.isDefinite {
            found.problem = text(error)
            return found
        }
        guard !found.logs.isEmpty || found.unreadCount > 0 else { return nil }
        if found.logs.isEmpty { found.problem = found.unread.joined(separator: "; ") }
        found.pairs = Array(matrix.pairs.prefix(pairsMax))
        found.unknownBytes = matrix.unknownBytes
        return found
    }

    /// How much may still be read.
    private struct Allowance {
        var pages: Int
        var bytes: Int
    }

    private static func text(_ error: FarSideError) -> String {
        "\(error.code.rawValue) \(error.farCode)".trimmingCharacters(in: .whitespaces)
    }

    /// Notes what is not in the sample: everything is at least so much then.
    private mutating func miss(_ reason: String) {
        isCut = true
        unreadCount += 1
        if unread.count < MeasuredTraffic.unreadMax { unread.append(reason) }
    }

    /// Adds one log's records of the sample's time, page by page.
    private mutating func read(
        _ log: FlowLogSource, from cloud: any CloudReader, into matrix: inout TrafficMatrix,
        _ allowance: inout Allowance
    ) async throws {
        var token: String?
        repeat {
            guard allowance.pages > 0, allowance.bytes > 0 else {
                isCut = true
                return
            }
            allowance.pages -= 1
            let page = try await cloud.flowRecords(log, from: from, until: until, token: token)
            for reason in page.unread { miss("\(log.id): \(reason)") }
            var lines = page.lines[...]
            var format = FlowLogFormat(log.format)
            // An object names its fields itself, in its first line.
            if case .bucket = log.place { format = lines.popFirst().flatMap(FlowLogFormat.init) }
            if format == nil, !page.lines.isEmpty {
                miss("\(log.id): an object does not begin with the names of its fields")
            }
            for line in lines {
                allowance.bytes -= line.utf8.count
                guard let record = format?.record(line[...]), record.start >= from, record.start < until else {
                    continue
                }
                matrix.add(record, log: log.id)
            }
            token = page.next
        } while token != nil
    }

    /// Whose addresses are: pods of today. One on its node's network has its node's address, which is nobody's.
    static func leases(_ objects: ClusterObjects) -> [AddressLease] {
        let zones = Dictionary(
            objects.nodes.compactMap { node in node.zone.map { (node.name, $0) } },
            uniquingKeysWith: { first, _ in first })
        return objects.pods.compactMap { pod in
            guard !pod.isFinished, !pod.placement.usesHostNetwork, let address = pod.address,
                let zone = pod.nodeName.flatMap({ zones[$0] })
            else { return nil }
            return AddressLease(
                address: address, workload: TrafficAdvice.workload(of: pod), zone: zone, from: pod.createdAt)
        }
    }
}
