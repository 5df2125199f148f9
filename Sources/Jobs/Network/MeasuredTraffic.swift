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
    /// Why nothing was measured; nil: it was, or there is no flow log.
    var problem: String?

    /// Pairs that a decision is made from.
    static let pairsMax = 500
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
    ///   - pagesMax: pages that are read at most, 10,000 records or 1 MiB each.
    /// - Returns: nil where there is no flow log that can be read this way.
    /// - Throws: `FarSideError` for what may go better the next time.
    static func read(
        _ cloud: any CloudReader, objects: ClusterObjects, now: Date, minutes: Int, pagesMax: Int
    ) async throws -> MeasuredTraffic? {
        let until = now.addingTimeInterval(-delay)
        var found = MeasuredTraffic(from: until.addingTimeInterval(-60 * Double(max(1, minutes))), until: until)
        do {
            let instances = try await cloud.instances(objects.nodes.compactMap(\.instance))
            let subnets = Set(instances.compactMap(\.subnet)).sorted()
            guard !subnets.isEmpty else { return nil }
            var matrix = TrafficMatrix(leases: leases(objects))
            var pages = 0
            var seen: Set<String> = []
            for log in try await cloud.flowLogs(ofSubnets: subnets) {
                // A group whose records are of one format is read once, however many logs write to it.
                guard let format = FlowLogFormat(log.format), seen.insert("\(log.logGroup) \(log.format)").inserted
                else {
                    continue
                }
                found.logs.append(log.id)
                var token: String?
                repeat {
                    guard pages < pagesMax else {
                        found.isCut = true
                        break
                    }
                    pages += 1
                    let page = try await cloud.flowRecords(log, from: found.from, until: until, token: token)
                    for line in page.lines {
                        if let record = format.record(line[...]) { matrix.add(record, log: log.id) }
                    }
                    token = page.next
                } while token != nil
            }
            guard !found.logs.isEmpty else { return nil }
            found.pairs = Array(matrix.pairs.prefix(pairsMax))
            found.unknownBytes = matrix.unknownBytes
        } catch let error as FarSideError where error.isDefinite {
            found.problem = "\(error.code.rawValue) \(error.farCode)".trimmingCharacters(in: .whitespaces)
        }
        return found
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
