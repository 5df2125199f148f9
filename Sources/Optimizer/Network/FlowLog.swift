import Foundation

/// One record of a VPC flow log, as far as traffic between pods needs it.
public struct FlowRecord: Hashable, Sendable, Codable {
    /// The sender's address, as the packet bore it.
    public var source: String
    /// The receiver's address, as the packet bore it.
    public var destination: String
    /// The interface that was listened at: sender and receiver each have one, and both write a record of one packet.
    public var interface: String
    /// Bytes in the record's interval.
    public var bytes: Int64
    /// When the interval began.
    public var start: Date
    /// When it ended.
    public var end: Date
}

/// Reads lines of flow logs in the default format (version 2) or one of the customer's own.
///
/// Source: Amazon VPC user guide, "Flow log records". Addresses are taken from `pkt-srcaddr` and `pkt-dstaddr` where the
/// format has them: with the VPC CNI these are the pods' own, where `srcaddr` is the interface's first address.
public struct FlowLogFormat: Hashable, Sendable {
    /// The default format.
    public static let standard =
        "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} "
        + "${bytes} ${start} ${end} ${action} ${log-status}"

    private let fields: [String: Int]
    private let count: Int

    /// Reads a format: field names as `${name}` with blanks between them, or the header line of a log in S3.
    /// - Returns: nil without the fields that traffic is counted by.
    public init?(_ text: String) {
        let names = text.split(separator: " ").map { word in
            word.hasPrefix("${") && word.hasSuffix("}") ? String(word.dropFirst(2).dropLast()) : String(word)
        }
        fields = Dictionary(names.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        count = names.count
        let hasAddresses = ["src", "dst"].allSatisfy {
            fields["pkt-\($0)addr"] != nil || fields["\($0)addr"] != nil
        }
        guard hasAddresses, ["bytes", "start", "end"].allSatisfy({ fields[$0] != nil }) else { return nil }
    }

    /// Reads a line; nil for what is no traffic that went through: headers, `NODATA`, `SKIPDATA`, `REJECT`, other forms.
    public func record(_ line: Substring) -> FlowRecord? {
        let words = line.split(separator: " ")
        guard words.count == count else { return nil }
        func word(_ name: String) -> Substring? {
            fields[name].map { words[$0] }.flatMap { $0 == "-" ? nil : $0 }
        }
        if let status = word("log-status"), status != "OK" { return nil }
        if let action = word("action"), action != "ACCEPT" { return nil }
        guard let source = word("pkt-srcaddr") ?? word("srcaddr"),
            let destination = word("pkt-dstaddr") ?? word("dstaddr"), let bytes = word("bytes").flatMap({ Int64($0) }),
            bytes >= 0, let start = word("start").flatMap({ Int64($0) }), let end = word("end").flatMap({ Int64($0) }),
            start <= end
        else { return nil }
        return FlowRecord(
            source: String(source), destination: String(destination), interface: String(word("interface-id") ?? ""),
            bytes: bytes, start: Date(timeIntervalSince1970: TimeInterval(start)),
            end: Date(timeIntervalSince1970: TimeInterval(end)))
    }
}

/// Whose an address was, and when: addresses of pods are used again within minutes.
public struct AddressLease: Hashable, Sendable, Codable {
    /// The address.
    public var address: String
    /// The workload: `namespace/kind/name`.
    public var workload: String
    /// The zone's name.
    public var zone: String
    /// From when.
    public var from: Date
    /// Until when; nil: still.
    public var until: Date?

    /// Makes a lease.
    public init(address: String, workload: String, zone: String, from: Date, until: Date? = nil) {
        self.address = address
        self.workload = workload
        self.zone = zone
        self.from = from
        self.until = until
    }
}

/// Traffic that was measured between two workloads.
public struct TrafficPair: Hashable, Sendable, Codable {
    /// The sender.
    public var source: String
    /// The receiver.
    public var destination: String
    /// Bytes from one zone to another.
    public var crossBytes: Int64
    /// All bytes.
    public var bytes: Int64
}

/// Sums flow records up by pairs of workloads, record by record: what it holds grows with the pairs of pods, not with the records.
public struct TrafficMatrix: Sendable {
    private struct Ends: Hashable {
        var source: AddressLease
        var destination: AddressLease
    }

    private let byAddress: [String: [AddressLease]]
    private var sums: [Ends: [String: Int64]] = [:]
    /// Bytes of records with an end that was no known pod's at that time: the internet, load balancers, translated addresses.
    public private(set) var unknownBytes: Int64 = 0

    /// Begins with nothing.
    /// - Parameter leases: whose addresses were when. An address that two had at one time is nobody's.
    public init(leases: [AddressLease]) { byAddress = Dictionary(grouping: leases, by: \.address) }

    /// Adds a record.
    /// - Parameter log: the flow log it comes from: a VPC and its subnet may each have one, and write down the same.
    public mutating func add(_ record: FlowRecord, log: String = "") {
        guard let source = holder(record.source, record), let destination = holder(record.destination, record) else {
            unknownBytes += record.bytes
            return
        }
        sums[Ends(source: source, destination: destination), default: [:]]["\(log)/\(record.interface)", default: 0] +=
            record.bytes
    }

    private func holder(_ address: String, _ record: FlowRecord) -> AddressLease? {
        // The whole interval must be one pod's: else it is open whose bytes they were.
        let found = (byAddress[address] ?? []).filter {
            $0.from <= record.start && ($0.until.map { record.end <= $0 } ?? true)
        }
        return found.count == 1 ? found[0] : nil
    }

    /// Pairs by falling cross-zone bytes, then by name.
    public var pairs: [TrafficPair] {
        var pairs: [String: TrafficPair] = [:]
        for (ends, byInterface) in sums {
            // Both interfaces of a packet write it down: the fuller account counts, never the sum.
            let bytes = byInterface.values.max() ?? 0
            let key = ends.source.workload + " " + ends.destination.workload
            var pair =
                pairs[key]
                ?? TrafficPair(
                    source: ends.source.workload, destination: ends.destination.workload, crossBytes: 0, bytes: 0)
            pair.bytes += bytes
            if ends.source.zone != ends.destination.zone { pair.crossBytes += bytes }
            pairs[key] = pair
        }
        return pairs.values.sorted {
            ($1.crossBytes, $0.source, $0.destination) < ($0.crossBytes, $1.source, $1.destination)
        }
    }

    /// The pairs of a few records, and the bytes of nobody known.
    public static func pairs(
        of records: [FlowRecord], leases: [AddressLease]
    ) -> (pairs: [TrafficPair], unknownBytes: Int64) {
        var matrix = TrafficMatrix(leases: leases)
        for record in records { matrix.add(record) }
        return (matrix.pairs, matrix.unknownBytes)
    }
}
