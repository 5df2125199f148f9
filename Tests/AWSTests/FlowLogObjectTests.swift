import Foundation
import HTTPClient
import Infrastructure
import TestSupport
import Testing

@testable import AWS

/// VPC flow logs in S3, judged by the real moto.
@Suite("Flow logs in S3, judged by moto", .timeLimit(.minutes(10)), .serialized)
struct FlowLogObjectTests {
    let client: AWSClient
    let cloud: EC2Cloud
    let bucket = "f" + UUID().uuidString.prefix(8).lowercased()
    /// 23:40 to 00:40: two days' folders.
    static let from = Date(timeIntervalSince1970: 1_709_250_000)
    static let until = from.addingTimeInterval(3_600)

    init() throws {
        client = try MotoTests.client()
        cloud = EC2Cloud(client: client)
    }

    private func put(_ path: String, _ body: [UInt8] = []) async throws {
        let url = try client.endpoints.url(.s3, region: client.region) + "/\(bucket)\(path)"
        let answer = try await client.transport.send(HTTPRequest(method: "PUT", url: url, body: body))
        try #require(answer.status == 200, "\(path): \(answer.status)")
    }

    private func log(isHive: Bool = false, isHourly: Bool = false) -> FlowLogSource {
        let root =
            isHive
            ? "in/AWSLogs/aws-account-id=1/aws-service=vpcflowlogs/aws-region=us-east-1/"
            : "in/AWSLogs/1/vpcflowlogs/us-east-1/"
        let place = FlowLogBucket(
            name: bucket, root: root, file: "1_vpcflowlogs_us-east-1_fl-1_", isHive: isHive, isHourly: isHourly)
        return FlowLogSource(id: "fl-1", place: .bucket(place), format: "")
    }

    private func read(_ log: FlowLogSource) async throws -> (lines: [String], unread: [String], pages: Int) {
        var (lines, unread, token) = ([String](), [String](), String?.none)
        for pages in 1...30 {
            let page = try await cloud.flowRecords(log, from: Self.from, until: Self.until, token: token)
            lines += page.lines
            unread += page.unread
            token = page.next
            if token == nil { return (lines, unread, pages) }
        }
        Issue.record("it does not end")
        return (lines, unread, 30)
    }

    @Test("a log that goes to S3 is found with its bucket, its folder and the account's name in its keys")
    func found() async throws {
        try await put("")
        let subnet = try #require(try await client.describeSubnets().first)
        var form = FormParameters()
        form.add("ResourceId", list: [subnet.id])
        form.add("ResourceType", "Subnet")
        form.add("TrafficType", "ALL")
        form.add("LogDestinationType", "s3")
        form.add("LogDestination", "arn:aws:s3:::\(bucket)")
        let answer = try await client.xml(.ec2("CreateFlowLogs", form), CallOptions())
        let id = try #require(answer.list("flowLogIdSet").first).text
        let found = try #require(try await cloud.flowLogs(ofSubnets: [subnet.id]).first { $0.id == id })
        let wanted = FlowLogBucket(
            name: bucket, root: "AWSLogs/123456789012/vpcflowlogs/us-east-1/",
            file: "123456789012_vpcflowlogs_us-east-1_\(id)_", isHive: false, isHourly: false)
        #expect(found.place == .bucket(wanted))
    }

    @Test("the objects of the sample's minutes are read in order, each once, over midnight; others are not touched")
    func span() async throws {
        try await put("")
        let root = "/in/AWSLogs/1/vpcflowlogs/us-east-1/"
        let file = "1_vpcflowlogs_us-east-1_fl-1_"
        let objects = [
            ("2024/02/29/\(file)20240229T2335Z_x.log.gz", "too early"),
            ("2024/02/29/\(file)20240229T2340Z_a.log.gz", "h\na"),
            ("2024/02/29/\(file)20240229T2340Z_b.log.gz", "h\nb"),
            ("2024/02/29/1_vpcflowlogs_us-east-1_fl-2_20240229T2345Z_a.log.gz", "another log's"),
            ("2024/02/29/\(file)20240229T2355Z_a.log.gz", "h\nc\n"),
            ("2024/03/01/\(file)20240301T0055Z_a.log.gz", "h\nd"),
            ("2024/03/01/\(file)20240301T0100Z_a.log.gz", "too late"),
        ]
        for (key, text) in objects { try await put(root + key, try GzipTests.packed(Array(text.utf8))) }
        let read = try await read(log())
        #expect(read.lines == ["h", "a", "h", "b", "h", "c", "h", "d"])
        #expect(read.unread.isEmpty)
        // One for each object, one for the end of each folder.
        #expect(read.pages == 6)
    }

    @Test("folders of hours with Hive's names are walked, too")
    func hive() async throws {
        try await put("")
        let root = "/in/AWSLogs/aws-account-id%3D1/aws-service%3Dvpcflowlogs/aws-region%3Dus-east-1/"
        for (folder, minute) in [
            ("year%3D2024/month%3D02/day%3D29/hour%3D23/", "20240229T2345Z"),
            ("year%3D2024/month%3D03/day%3D01/hour%3D00/", "20240301T0005Z"),
        ] {
            let key = root + folder + "1_vpcflowlogs_us-east-1_fl-1_\(minute)_x.log.gz"
            try await put(key, try GzipTests.packed(Array(minute.utf8)))
        }
        let read = try await read(log(isHive: true, isHourly: true))
        #expect(read.lines == ["20240229T2345Z", "20240301T0005Z"])
    }

    @Test("damaged, oversized and foreign objects are told by name and left out as a whole; the rest is read")
    func unread() async throws {
        try await put("")
        let folder = "/in/AWSLogs/1/vpcflowlogs/us-east-1/2024/02/29/1_vpcflowlogs_us-east-1_fl-1_20240229T2345Z_"
        var damaged = try GzipTests.packed(Array("h\nlost".utf8))
        damaged[damaged.count - 6] ^= 1
        try await put(folder + "a.log.gz", damaged)
        try await put(folder + "b.log.gz", Array(try GzipTests.packed(Array("h\ncut".utf8)).dropLast(3)))
        try await put(folder + "c.log.gz", [UInt8](repeating: 0, count: AWSClient.flowObjectBytesMax + 1))
        try await put(folder + "d.log.parquet", Array("PAR1".utf8))
        try await put(folder + "e.log.gz", try GzipTests.packed([0xff, 0xfe, 0x0a]))
        try await put(folder + "f.log.gz", try GzipTests.packed(Array("h\nread".utf8)))
        let read = try await read(log())
        #expect(read.lines == ["h", "read"])
        let reasons = [
            "a.log.gz: its checksum is wrong", "b.log.gz: it ends too early",
            "c.log.gz: it has 8388609 bytes, more than 8388608", "d.log.parquet: it is Parquet, not text",
            "e.log.gz: it is no UTF-8",
        ]
        #expect(read.unread.count == reasons.count)
        for (told, reason) in zip(read.unread, reasons) { #expect(told.hasSuffix(reason), "\(told)") }
    }

    @Test("a bucket that is not there is a definite answer")
    func absent() async throws {
        let error = await #expect(throws: FarSideError.self) {
            try await cloud.flowRecords(log(), from: Self.from, until: Self.until, token: nil)
        }
        #expect(error?.code == .notFound)
        #expect(error?.farCode == "NoSuchBucket")
    }

    @Test("a destination with a folder, Hive's names and hours is read from EC2's answer", arguments: ["in", "in/"])
    func destination(folder: String) throws {
        let text = """
            <item><logDestination>arn:aws-cn:s3:::logs.x/\(folder)</logDestination><destinationOptions>
            <fileFormat>plain-text</fileFormat><hiveCompatiblePartitions>true</hiveCompatiblePartitions>
            <perHourPartition>true</perHourPartition></destinationOptions></item>
            """
        let found = client.flowLogBucket(of: "fl-9", try XMLTree.parse(Array(text.utf8)), account: "1")
        #expect(
            found
                == FlowLogBucket(
                    name: "logs.x", root: "in/AWSLogs/aws-account-id=1/aws-service=vpcflowlogs/aws-region=us-east-1/",
                    file: "1_vpcflowlogs_us-east-1_fl-9_", isHive: true, isHourly: true))
    }
}
