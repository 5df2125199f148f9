import Foundation
import Infrastructure
import Testing

@testable import AWS

@Suite("XML answers")
struct XMLTests {
    private func tree(_ text: String) throws -> XMLTree { try XMLTree.parse(Array(text.utf8)) }

    @Test("an instance is read from an answer of EC2's shape")
    func instance() throws {
        let answer = try tree(
            """
            <?xml version="1.0" encoding="UTF-8"?>
            <DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
              <requestId>8f7724cf-496f-496e-8fe3-example</requestId>
              <reservationSet><item><reservationId>r-1</reservationId><instancesSet><item>
                <instanceId>i-0123456789abcdef0</instanceId><imageId>ami-1</imageId>
                <instanceState><code>48</code><name>terminated</name></instanceState>
                <stateReason><code>Server.SpotInstanceTermination</code><message>gone</message></stateReason>
                <instanceType>m5.large</instanceType><launchTime>2024-02-29T12:30:45.000Z</launchTime>
                <placement><availabilityZone>us-east-1a</availabilityZone></placement>
                <instanceLifecycle>spot</instanceLifecycle><clientToken>tok</clientToken>
                <tagSet><item><key>team</key><value>a &amp; b</value></item><item><key>empty</key><value/></item></tagSet>
              </item></instancesSet></item></reservationSet>
            </DescribeInstancesResponse>
            """)
        let item = try #require(answer.list("reservationSet").first?.list("instancesSet").first)
        #expect(
            try Instance(item)
                == Instance(
                    id: "i-0123456789abcdef0", state: .terminated, stateReason: "Server.SpotInstanceTermination",
                    type: "m5.large", zone: "us-east-1a", capacity: .spot, tags: ["team": "a & b", "empty": ""],
                    launchedAt: SignatureTests.date, clientToken: "tok"))
    }

    @Test("a fleet's answer tells instances and the pools that gave nothing")
    func fleet() throws {
        let answer = try tree(
            """
            <CreateFleetResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><fleetId>fleet-1</fleetId>
            <errorSet><item><launchTemplateAndOverrides><launchTemplateSpecification><launchTemplateId>lt-1</launchTemplateId>
            </launchTemplateSpecification><overrides><instanceType>c5.large</instanceType><subnetId>subnet-b</subnetId></overrides>
            </launchTemplateAndOverrides><lifecycle>spot</lifecycle><errorCode>InsufficientInstanceCapacity</errorCode>
            <errorMessage>none left</errorMessage></item></errorSet>
            <fleetInstanceSet><item><launchTemplateAndOverrides><overrides><instanceType>m5.large</instanceType>
            <availabilityZone>us-east-1a</availabilityZone></overrides></launchTemplateAndOverrides><lifecycle>spot</lifecycle>
            <instanceIds><item>i-0123456789abcdef0</item></instanceIds><instanceType>m5.large</instanceType></item></fleetInstanceSet>
            </CreateFleetResponse>
            """)
        let read = try AWSClient.fleetAnswer(answer, zonesBySubnet: ["subnet-b": "us-east-1b"])
        #expect(read.launched == [.init(id: "i-0123456789abcdef0", type: "m5.large", zone: "us-east-1a")])
        #expect(
            read.failures == [
                .init(code: "InsufficientInstanceCapacity", message: "none left", type: "c5.large", zone: "us-east-1b")
            ])
    }

    @Test(
        "an answer that is no sound XML is refused",
        arguments: [
            "", "{}", "<a><b></a>", "<a>", "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
            String(repeating: "<a>", count: 33) + String(repeating: "</a>", count: 33),
        ])
    func unsound(text: String) {
        #expect(throws: XMLTree.Malformed.self) { try tree(text) }
    }

    @Test(
        "a processing instruction is refused: Foundation's parser reads one without text through a null pointer",
        arguments: [
            "<?xmlplaoresMt?><a/>", "<?xml version=\"1.0\"?><?a?><a/>", "<a><?b?></a>", "<a/><?b c?>", " <?xml?><a/>",
        ])
    func processingInstruction(text: String) {
        let error = #expect(throws: XMLTree.Malformed.self) { try tree(text) }
        #expect(error?.description == "the answer has a processing instruction")
    }

    @Test("the declaration may follow a byte order mark, and end in any space", arguments: [" ", "\t", "\n", "\r\n"])
    func declaration(space: String) throws {
        for mark in ["", "\u{FEFF}"] {
            #expect(try tree("\(mark)<?xml\(space)version=\"1.0\"?><a>b</a>") == XMLTree(name: "a", text: "b"))
        }
    }

    @Test(
        "a document type does not hide in another encoding",
        arguments: [String.Encoding.utf16, .utf16LittleEndian, .utf16BigEndian, .utf32])
    func hiddenDocumentType(encoding: String.Encoding) throws {
        let text = "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>"
        let bytes = Array(try #require(text.data(using: encoding)))
        #expect(throws: XMLTree.Malformed.self) { try XMLTree.parse(bytes) }
        #expect(throws: XMLTree.Malformed.self) { try tree("<?xml version=\"1.0\" encoding=\"UTF-7\"?><a/>") }
    }

    @Test("a name that is not sound UTF-8 is refused: Foundation's parser traps on it")
    func unsoundName() {
        #expect(throws: XMLTree.Malformed.self) { try XMLTree.parse(Array("<fl".utf8) + [0xDC] + Array("eet/>".utf8)) }
    }

    @Test("an instance without its id is refused, naming what is missing")
    func missing() throws {
        let item = try tree("<item><instanceType>m5.large</instanceType></item>")
        let error = #expect(throws: XMLTree.Malformed.self) { try Instance(item) }
        #expect(error?.description == "<item> has no instanceId")
    }

    @Test(
        "prices become millionths without losing a digit",
        arguments: [
            ("0.0416", 41_600), ("0.00001", 10), ("13.338000", 13_338_000), ("0.0000005", 1), ("0", 0),
        ] as [(String, Int64)])
    func prices(text: String, expected: Int64) throws {
        #expect(AWSClient.micro(try #require(Decimal(string: text))) == expected)
    }
}
