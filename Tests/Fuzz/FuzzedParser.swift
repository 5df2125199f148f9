import Foundation
import Infrastructure

@testable import AWS
@testable import JobQueue
@testable import Jobs
@testable import Kubernetes
@testable import Postgres
@testable import Redis

/// A reader of bytes from outside, as the fuzzer drives it. Whatever the bytes are, it answers or throws, soon and in
/// little memory. Its corpus is `Tests/Corpus/NAME/`.
struct FuzzedParser: Sendable {
    let name: String
    /// Throws for bad input; traps, hangs and contradictions are findings.
    let read: @Sendable ([UInt8]) throws -> Void

    /// **A new parser of outside bytes adds its line here**, and a file of well-formed input to the corpus.
    static let all: [FuzzedParser] = [
        FuzzedParser(name: "jobspec") { bytes in
            _ = JobSpecFile.check(text(bytes), file: "fuzz.yaml")
        },
        FuzzedParser(name: "cron") { bytes in
            let start = Date(timeIntervalSince1970: 1_800_000_000)
            let expression = try CronExpression(text(bytes))
            for zone in ["UTC", "Europe/Berlin", "Australia/Lord_Howe"].compactMap(TimeZone.init(identifier:)) {
                guard let next = expression.next(after: start, in: zone) else { continue }
                precondition(next > start, "a slot before the instant it was asked for")
            }
        },
        FuzzedParser(name: "json") { bytes in
            let value = try JobQueue.JSONValue(parsing: text(bytes))
            let canonical = value.canonical
            let again = try JobQueue.JSONValue(parsing: canonical).canonical
            precondition(canonical == again, "the canonical form is not read as itself")
        },
        FuzzedParser(name: "policy") { bytes in
            let policy = try ClusterPolicy(document: text(bytes))
            let document = try policy.document()
            let again = try ClusterPolicy(document: document)
            precondition(again == policy, "a policy is not read as it was written")
        },
        FuzzedParser(name: "window") { bytes in
            guard let window = WeeklyWindow(text(bytes)) else { return }
            let start = Date(timeIntervalSince1970: 1_800_000_000)
            _ = WeeklySchedule([window]).nextOpening(from: start)
        },
        FuzzedParser(name: "kubeconfig") { bytes in
            let config = try Kubeconfig(text(bytes))
            for name in try config.contextNames().prefix(10) {
                do { _ = try config.connection(context: name) } catch is KubernetesError { continue }
            }
        },
        FuzzedParser(name: "event") { bytes in
            do {
                _ = try EventParser.parse(QueueMessage(id: "m", receipt: "r", body: text(bytes)))
            } catch let unreadable as EventParser.Unreadable {
                precondition(unreadable.message.utf8.count <= 4096, "a message that repeats the body")
            }
        },
        FuzzedParser(name: "sqs") { bytes in
            let answer = try JSONDecoder().decode(AWSClient.ReceiveAnswer.self, from: Data(bytes))
            for message in answer.Messages ?? [] {
                _ = try EventParser.parse(
                    QueueMessage(id: message.MessageId, receipt: message.ReceiptHandle, body: message.Body))
            }
        },
        FuzzedParser(name: "ec2") { bytes in
            let tree = try XMLTree.parse(bytes)
            for reservation in tree.list("reservationSet") {
                for item in reservation.list("instancesSet") { _ = try Instance(item) }
            }
            for item in tree.list("volumeSet") { _ = try Volume(item) }
            _ = try AWSClient.fleetAnswer(tree, zonesBySubnet: [:])
        },
        FuzzedParser(name: "kubernetes-nodes") { bytes in
            let page = try AnswerReading.decode(ListPage<NodeObject>.self, bytes, subject: "nodes")
            for item in page.items { if case .success(let object) = item.outcome { _ = object.node } }
        },
        FuzzedParser(name: "kubernetes-pods") { bytes in
            let page = try AnswerReading.decode(ListPage<PodObject>.self, bytes, subject: "pods")
            for item in page.items { if case .success(let object) = item.outcome { _ = object.pod } }
        },
        FuzzedParser(name: "quantity") { bytes in _ = try Quantity(text(bytes)) },
        FuzzedParser(name: "resp") { bytes in
            guard let reader = ReplyReader() else { return }
            // In two parts: replies end anywhere in what one read brings.
            let half = bytes.count / 2
            for part in [bytes[..<half], bytes[half...]] {
                try unsafe part.withUnsafeBytes { try unsafe reader.feed($0) }
                while try reader.next() != nil {}
            }
        },
        FuzzedParser(name: "postgres") { bytes in
            _ = TextForm.int(bytes)
            _ = TextForm.double(bytes)
            _ = TextForm.bool(bytes)
            _ = TextForm.uuid(bytes)
            _ = TextForm.bytes(bytes)
            _ = TextForm.array(bytes)
            _ = PostgresTime.date(bytes)
        },
    ]

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}

/// The corpus of a parser, in this checkout.
enum Corpus {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Corpus").path

    /// Every input, by its file's name. What crashed once is there for good, as `finding-…`.
    static func inputs(of parser: FuzzedParser) throws -> [(name: String, bytes: [UInt8])] {
        let place = "\(folder)/\(parser.name)"
        return try FileManager.default.contentsOfDirectory(atPath: place).sorted().map { name in
            (name, Array(try Data(contentsOf: URL(fileURLWithPath: "\(place)/\(name)"))))
        }
    }
}
