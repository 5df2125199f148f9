import Foundation
import Infrastructure
import Testing

@testable import Jobs

@Suite("Reading messages of interruption queues")
struct EventParserTests {
    func parse(_ body: String) throws -> FleetEvent {
        try EventParser.parse(QueueMessage(id: "m-1", receipt: "r", body: body))
    }

    static func event(_ source: String, _ type: String, _ detail: String) -> String {
        """
        {"id":"e-1","source":"\(source)","detail-type":"\(type)","account":"123456789012","region":"us-east-1",
         "time":"2020-10-26T14:14:14Z","detail":\(detail)}
        """
    }

    static let id: InstanceID = "i-0b662ef9931388ba0"
    static let hook = """
        {"LifecycleActionToken":"t-1","AutoScalingGroupName":"web","LifecycleHookName":"drain",
         "EC2InstanceId":"i-0b662ef9931388ba0","LifecycleTransition":"autoscaling:EC2_INSTANCE_TERMINATING"}
        """
    static let action = LifecycleAction(group: "web", hook: "drain", token: "t-1", instance: id)

    @Test(
        "every kind that EventBridge sends is known",
        arguments: [
            (
                event(
                    "aws.ec2", "EC2 Spot Instance Interruption Warning",
                    #"{"instance-id":"i-0b662ef9931388ba0","instance-action":"terminate"}"#),
                FleetEvent.Kind.spotWarning
            ),
            (
                event("aws.ec2", "EC2 Instance Rebalance Recommendation", #"{"instance-id":"i-0b662ef9931388ba0"}"#),
                .rebalance
            ),
            (
                event(
                    "aws.ec2", "EC2 Capacity Reservation Instance Interruption Warning",
                    #"{"instance-id":"i-0b662ef9931388ba0"}"#), .capacityReservation
            ),
            (
                event(
                    "aws.ec2", "EC2 Instance State-change Notification",
                    #"{"instance-id":"i-0b662ef9931388ba0","state":"shutting-down"}"#), .stateChange(.shuttingDown)
            ),
            (event("aws.autoscaling", "EC2 Instance-terminate Lifecycle Action", hook), .lifecycle(action)),
        ])
    func kinds(body: String, kind: FleetEvent.Kind) throws {
        let event = try parse(body)
        #expect(event.kind == kind)
        #expect(event.instances == [EventParserTests.id])
        #expect(event.id == "e-1" && event.account == "123456789012" && event.region == "us-east-1")
        #expect(event.at == Date(timeIntervalSince1970: 1_603_721_654))
    }

    @Test("AWS's own Health sample is read, though its date has the wrong weekday")
    func health() throws {
        let body = EventParserTests.event(
            "aws.health", "AWS Health Event",
            """
            {"service":"EC2","eventTypeCategory":"scheduledChange","startTime":"Sat, 05 Jun 2016 15:10:09 GMT",
             "affectedEntities":[{"entityValue":"i-12345678","tags":{"stage":"prod"}},{"entityValue":"vol-1"}]}
            """)
        let event = try parse(body)
        #expect(event.kind == .maintenance(start: Date(timeIntervalSince1970: 1_465_139_409)))
        #expect(event.instances == ["i-12345678"])
    }

    @Test("a Health event of another service asks nothing")
    func otherHealth() throws {
        let body = EventParserTests.event(
            "aws.health", "AWS Health Event", #"{"service":"S3","eventTypeCategory":"issue"}"#)
        #expect(try parse(body).interruption == nil)
    }

    @Test("what SNS wraps is unwrapped, once")
    func sns() throws {
        func wrap(_ inner: String) throws -> String {
            let text = String(decoding: try JSONEncoder().encode(inner), as: UTF8.self)
            return "{\"Type\":\"Notification\",\"MessageId\":\"s-1\",\"Message\":\(text)}"
        }
        let inner = EventParserTests.event(
            "aws.ec2", "EC2 Spot Instance Interruption Warning", #"{"instance-id":"i-0b662ef9931388ba0"}"#)
        #expect(try parse(try wrap(inner)).kind == .spotWarning)
        #expect(throws: EventParser.Unreadable.self) { try parse(try wrap(try wrap(inner))) }
    }

    @Test("Auto Scaling's own form has no envelope")
    func direct() throws {
        let body = """
            {"Origin":"AutoScalingGroup","Destination":"EC2","AccountId":"123456789012","RequestId":"q-1",
             "Service":"AWS Auto Scaling","Time":"2020-10-26T14:14:14.123Z",\(EventParserTests.hook.dropFirst())
            """
        let event = try parse(body)
        #expect(event.kind == .lifecycle(EventParserTests.action))
        #expect(event.id == "q-1" && event.account == "123456789012" && event.region.isEmpty)
        #expect(event.interruption == .lifecycle)
    }

    @Test("a test notification asks nothing")
    func test() throws {
        let event = try parse(
            #"{"AccountId":"123456789012","RequestId":"q-1","Event":"autoscaling:TEST_NOTIFICATION","Time":"x"}"#)
        #expect(event.kind == .noted("autoscaling:TEST_NOTIFICATION"))
    }

    @Test("a state that starts an instance is no interruption", arguments: ["pending", "running", "brand-new"])
    func harmlessStates(state: String) throws {
        let body = EventParserTests.event(
            "aws.ec2", "EC2 Instance State-change Notification",
            "{\"instance-id\":\"i-0b662ef9931388ba0\",\"state\":\"\(state)\"}")
        #expect(try parse(body).interruption == nil)
    }

    static let noise = String(decoding: (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) }, as: UTF8.self)
    static let deepObjects =
        String(repeating: "{\"a\":", count: 100_000) + "1" + String(repeating: "}", count: 100_000)
    static func padded(_ count: Int) -> String { "{\"a\":\"" + String(repeating: "x", count: count) + "\"}" }
    static func warning(_ detail: String) -> String {
        event("aws.ec2", "EC2 Spot Instance Interruption Warning", detail)
    }
    static let hostileID = #"{"id":"e\u0000","source":"aws.ec2","detail-type":"x","time":"2020-10-26T14:14:14Z"}"#
    static let unreadableBodies: [(String, String)] = [
        ("", "not JSON"), ("null", "not a JSON object"), ("[]", "not a JSON object"), ("{}", "no known form"),
        (String(repeating: "[", count: 100_000), "not JSON"), (deepObjects, "nested too deep"), (noise, "not JSON"),
        (padded((1 << 20) - 8), "no known form"), (padded(1 << 20), "wanted at most"),
        (warning("{}"), "detail.instance-id"), (warning(#"{"instance-id":7}"#), "instance-id"),
        (warning(#"{"instance-id":"i-1;DROP TABLE"}"#), "wanted an instance id"),
        (#"{"id":"e","source":"aws.ec2","detail-type":"x","time":"yesterday"}"#, "'time' is 'yesterday'"),
        (hostileID, "'id'"),
    ]

    @Test("what cannot be read is refused with the reason, and never traps", arguments: unreadableBodies)
    func unreadable(body: String, reason: String) {
        do {
            let event = try parse(body)
            Issue.record("read as \(event)")
        } catch let error as EventParser.Unreadable {
            #expect(error.message.contains(reason), "said: \(error.message)")
            #expect(error.message.utf8.count < 400)
        } catch {
            Issue.record("threw \(error)")
        }
    }

    @Test(
        "dates are read in each form that AWS writes",
        arguments: [
            ("2020-10-26T14:14:14Z", 1_603_721_654.0), ("2020-10-26T14:14:14.500Z", 1_603_721_654.5),
            ("Mon, 26 Oct 2020 14:14:14 GMT", 1_603_721_654.0), ("Fri, 26 Oct 2020 14:14:14 GMT", 1_603_721_654.0),
        ])
    func dates(text: String, seconds: Double) {
        #expect(EventDate.parse(text) == Date(timeIntervalSince1970: seconds))
    }
}
