import Foundation
import Infrastructure
import Testing

@testable import Optimizer

@Suite("Traffic between zones")
struct NetworkTests {
    @Test("two even zones: half crosses, none need; three: two thirds")
    func even() throws {
        let two = try #require(ZonePotential(clients: ["a": 5, "b": 5], endpoints: ["a": 2, "b": 2], endpointsMin: 2))
        #expect(two.crossNow == 0.5 && two.crossPreferred == 0 && two.overload == 1 && two.thinZones.isEmpty)
        let three = try #require(
            ZonePotential(
                clients: ["a": 5, "b": 5, "c": 5], endpoints: ["a": 2, "b": 2, "c": 2], endpointsMin: 2))
        #expect(abs(three.crossNow - 2.0 / 3) < 1e-9)
        #expect(ZonePotential(clients: [:], endpoints: ["a": 1], endpointsMin: 1) == nil)
        #expect(ZonePotential(clients: ["a": 1], endpoints: ["a": 0], endpointsMin: 1) == nil)
    }

    @Test("a small zone with many clients is an overload, a zone without endpoints still crosses")
    func uneven() throws {
        let skewed = try #require(
            ZonePotential(clients: ["a": 8, "b": 2], endpoints: ["a": 1, "b": 3], endpointsMin: 2))
        #expect(abs(skewed.overload - 0.8 / 0.25) < 1e-9 && skewed.thinZones == ["a"])
        let homeless = try #require(
            ZonePotential(clients: ["a": 5, "b": 5], endpoints: ["a": 4], endpointsMin: 2))
        #expect(homeless.crossNow == 0.5 && homeless.crossPreferred == 0.5 && homeless.avoidable == 0)
        #expect(homeless.zoneCount == 1 && homeless.thinZones == ["b"])
    }

    static let lines = """
        2 123456789012 eni-a 10.0.1.5 10.0.2.9 34567 8080 6 20 1000 1700000000 1700000060 ACCEPT OK
        2 123456789012 eni-b 10.0.1.5 10.0.2.9 34567 8080 6 20 990 1700000000 1700000060 ACCEPT OK
        2 123456789012 eni-a 10.0.1.5 10.0.1.7 34567 8080 6 20 500 1700000000 1700000060 ACCEPT OK
        2 123456789012 eni-a 10.0.1.5 8.8.8.8 34567 53 17 2 64 1700000000 1700000060 ACCEPT OK
        2 123456789012 eni-a 10.0.1.5 10.0.2.9 34567 22 6 2 80 1700000000 1700000060 REJECT OK
        2 123456789012 eni-a - - - - - - - 1700000000 1700000060 - NODATA
        version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status
        """

    func leases() -> [AddressLease] {
        let start = Date(timeIntervalSince1970: 1_600_000_000)
        return [
            AddressLease(address: "10.0.1.5", workload: "web/Deployment/front", zone: "a", from: start),
            AddressLease(address: "10.0.2.9", workload: "web/Deployment/api", zone: "b", from: start),
            AddressLease(address: "10.0.1.7", workload: "web/Deployment/api", zone: "a", from: start),
        ]
    }

    @Test("the default format: what both ends wrote down counts once, what was refused or is nobody's does not")
    func standard() throws {
        let format = try #require(FlowLogFormat(FlowLogFormat.standard))
        let records = Self.lines.split(separator: "\n").compactMap { format.record($0) }
        #expect(records.count == 4)
        let (pairs, unknown) = TrafficMatrix.pairs(of: records, leases: leases())
        #expect(
            pairs == [
                TrafficPair(
                    source: "web/Deployment/front", destination: "web/Deployment/api", crossBytes: 1000, bytes: 1500)
            ])
        #expect(unknown == 64)
    }

    @Test("a custom format: the packet's own addresses, in any order of fields")
    func custom() throws {
        let format = try #require(
            FlowLogFormat(
                "${pkt-dstaddr} ${bytes} ${pkt-srcaddr} ${start} ${end} ${srcaddr} ${dstaddr} ${interface-id} ${az-id}")
        )
        let record = try #require(
            format.record("10.0.2.9 700 10.0.1.5 1700000000 1700000600 10.0.1.1 10.0.2.1 eni-a use1-az1"))
        #expect(record.source == "10.0.1.5" && record.destination == "10.0.2.9" && record.bytes == 700)
        #expect(format.record("10.0.2.9 700 10.0.1.5") == nil)
        #expect(format.record("10.0.2.9 lots 10.0.1.5 1700000000 1700000600 a b eni-a use1-az1") == nil)
        #expect(FlowLogFormat("${bytes} ${start} ${end}") == nil)
    }

    @Test("an address that changed hands within a record is nobody's")
    func reused() throws {
        let format = try #require(FlowLogFormat(FlowLogFormat.standard))
        let records = Self.lines.split(separator: "\n").prefix(1).compactMap { format.record($0) }
        var leases = leases()
        leases[1].until = Date(timeIntervalSince1970: 1_700_000_030)
        leases.append(
            AddressLease(
                address: "10.0.2.9", workload: "web/Deployment/other", zone: "b",
                from: Date(timeIntervalSince1970: 1_700_000_031)))
        let (pairs, unknown) = TrafficMatrix.pairs(of: records, leases: leases)
        #expect(pairs.isEmpty && unknown == 1000)
    }
}
