import Foundation
import Testing

@testable import Simulator

/// What the simulator's own SQS and moto's must do alike.
@Suite("Contract: SQS", SimulatorScope(), .serialized)
struct QueueContractTests {
    enum Side: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case simulator, moto

        var testDescription: String { rawValue }
    }

    /// A queue of one of the two sides.
    private struct Subject {
        let simulator: RunningSimulator
        let base: String
        let queue: JSONValue

        init(_ side: Side, attributes: JSONValue = [:]) async throws {
            simulator = try #require(RunningSimulator.current)
            base = side == .moto ? simulator.motoURL : simulator.awsURL
            queue = try await simulator.sqs(
                "CreateQueue", ["QueueName": .string("q-\(UUID().uuidString)"), "Attributes": attributes], at: base)[
                    "QueueUrl"]
        }

        func call(_ action: String, _ body: JSONValue = [:]) async throws -> JSONValue {
            var body = body
            if body["QueueUrl"].isNull { body["QueueUrl"] = queue }
            return try await simulator.sqs(action, body, at: base)
        }

        func send(_ texts: [String]) async throws {
            let entries = texts.enumerated().map { index, text -> JSONValue in
                ["Id": .string("m\(index)"), "MessageBody": .string(text)]
            }
            let answer = try await call("SendMessageBatch", ["Entries": .array(entries)])
            #expect(answer["Successful"].array.count == texts.count)
        }

        func receive(_ body: JSONValue = [:]) async throws -> [JSONValue] {
            var body = body
            body["AttributeNames"] = ["ApproximateReceiveCount"]
            return try await call("ReceiveMessage", body)["Messages"].array
        }

        func counts() async throws -> [String?] {
            let all = try await call("GetQueueAttributes", ["AttributeNames": ["All"]])["Attributes"]
            return [all["ApproximateNumberOfMessages"].string, all["ApproximateNumberOfMessagesNotVisible"].string]
        }

        /// The code of the refusal; nil: it was not refused.
        func refusal(_ action: String, _ body: JSONValue) async throws -> String? {
            do {
                _ = try await call(action, body)
                return nil
            } catch let error as AWSError {
                // Both forms of a code are in use: with and without the old protocol's prefix.
                return error.code.split(separator: ".").last.map(String.init)
            }
        }
    }

    @Test("what is received is hidden and counted, what is deleted is gone", arguments: Side.allCases)
    func receiveAndDelete(_ side: Side) async throws {
        let subject = try await Subject(side)
        try await subject.send((0..<10).map { "body \($0) \u{1F680} <&>" })
        let first = try await subject.receive(["MaxNumberOfMessages": 4])
        let second = try await subject.receive(["MaxNumberOfMessages": 10])
        #expect(first.count == 4)
        #expect(second.count == 6)
        #expect(
            Set((first + second).compactMap { $0["Body"].string }) == Set((0..<10).map { "body \($0) \u{1F680} <&>" }))
        #expect(first.allSatisfy { $0["Attributes"]["ApproximateReceiveCount"] == "1" })
        #expect(try await subject.receive().isEmpty)
        #expect(try await subject.counts() == ["0", "10"])
        let entries = first.enumerated().map { index, message -> JSONValue in
            ["Id": .string(String(index)), "ReceiptHandle": message["ReceiptHandle"]]
        }
        #expect(
            try await subject.call("DeleteMessageBatch", ["Entries": .array(entries)])["Successful"].array.count == 4)
        _ = try await subject.call("DeleteMessage", ["ReceiptHandle": second[0]["ReceiptHandle"]])
        #expect(try await subject.counts() == ["0", "5"])
    }

    @Test(
        "a message whose time is over shows again, with its count, and its old receipt still deletes it",
        arguments: Side.allCases)
    func visibility(_ side: Side) async throws {
        let subject = try await Subject(side)
        try await subject.send(["one"])
        let first = try #require(try await subject.receive(["VisibilityTimeout": 1]).first)
        let again = try #require(try await subject.receive(["WaitTimeSeconds": 10, "VisibilityTimeout": 30]).first)
        #expect(again["MessageId"] == first["MessageId"])
        #expect(again["Attributes"]["ApproximateReceiveCount"] == "2")
        _ = try await subject.call(
            "ChangeMessageVisibility", ["ReceiptHandle": again["ReceiptHandle"], "VisibilityTimeout": 0])
        let third = try #require(try await subject.receive(["WaitTimeSeconds": 10]).first)
        #expect(third["Attributes"]["ApproximateReceiveCount"] == "3")
        _ = try await subject.call("DeleteMessage", ["ReceiptHandle": third["ReceiptHandle"]])
        #expect(try await subject.counts() == ["0", "0"])
    }

    @Test("a receive that waits gets what comes meanwhile, and ends empty when nothing does", arguments: Side.allCases)
    func longPoll(_ side: Side) async throws {
        let subject = try await Subject(side)
        let clock = ContinuousClock()
        let start = clock.now
        #expect(try await subject.receive(["WaitTimeSeconds": 1]).isEmpty)
        #expect(clock.now - start >= .milliseconds(900))
        async let waiting = subject.receive(["WaitTimeSeconds": 20])
        try await subject.send(["late"])
        #expect(try await waiting.first?["Body"] == "late")
        #expect(clock.now - start < .seconds(20))
    }

    @Test("what was received too often goes to the dead-letter queue", arguments: Side.allCases)
    func redrive(_ side: Side) async throws {
        let dead = try await Subject(side)
        let arn = try await dead.call("GetQueueAttributes", ["AttributeNames": ["QueueArn"]])["Attributes"]["QueueArn"]
        let policy: JSONValue = ["deadLetterTargetArn": arn, "maxReceiveCount": 2]
        let subject = try await Subject(side, attributes: ["RedrivePolicy": .string(policy.text)])
        try await subject.send(["poison"])
        for _ in 0..<2 {
            let found = try await subject.receive(["WaitTimeSeconds": 5, "VisibilityTimeout": 1])
            #expect(found.count == 1)
        }
        #expect(try await subject.receive(["WaitTimeSeconds": 3]).isEmpty)
        #expect(try await dead.receive(["WaitTimeSeconds": 5]).first?["Body"] == "poison")
    }

    @Test("what SQS refuses is refused with its code", arguments: Side.allCases)
    func refusals(_ side: Side) async throws {
        let subject = try await Subject(side)
        let gone: JSONValue = .string(subject.base + "/123456789012/no-such-queue")
        #expect(
            ["QueueDoesNotExist", "NonExistentQueue"].contains(
                try await subject.refusal("ReceiveMessage", ["QueueUrl": gone]) ?? ""))
        #expect(try await subject.refusal("ReceiveMessage", ["MaxNumberOfMessages": 11]) == "InvalidParameterValue")
        #expect(try await subject.refusal("ReceiveMessage", ["WaitTimeSeconds": 21]) == "InvalidParameterValue")
        #expect(try await subject.refusal("DeleteMessage", ["ReceiptHandle": "nonsense"]) == "ReceiptHandleIsInvalid")
        let entry: JSONValue = ["Id": "same", "MessageBody": "x"]
        #expect(
            try await subject.refusal("SendMessageBatch", ["Entries": [entry, entry]]) == "BatchEntryIdsNotDistinct")
        #expect(try await subject.refusal("SendMessageBatch", ["Entries": []]) == "EmptyBatchRequest")
        let eleven = (0..<11).map { number -> JSONValue in ["Id": .string("m\(number)"), "MessageBody": "x"] }
        #expect(
            try await subject.refusal("SendMessageBatch", ["Entries": .array(eleven)]) == "TooManyEntriesInBatchRequest"
        )
    }
}
