import Foundation
import HTTPClient
import JobQueue
import TestSupport

/// How to reach a simulated world: the file that `cloudoptim simulate` writes.
struct WorldFile: Decodable, Sendable {
    struct Cluster: Decodable, Sendable {
        var name: String
        var account: String
        var region: String
        var queueURL: String
        var roleARN: String
        var externalID: String
        var launchTemplateID: String
        var subnets: [String: String]
    }

    var awsURL: String
    var clusters: [Cluster]
}

/// What the simulator saw, as an outsider: the judge of every story here.
struct WorldState: Decodable, Sendable {
    struct Node: Decodable, Sendable {
        var cluster: String
        var node: String
        var instanceID: String
        var clientToken: String?
        var cordonedAt: String?
        var cordonedBy: String?
        var drainedAt: String?
        var interruptedAt: String?
        var deadline: String?
        var terminatedAt: String?
        var removedAt: String?
        var podsAtInterruption: Int
        var podsEvicted: Int

        /// Seconds from the warning to the cordon.
        var secondsToCordon: Double? { seconds(cordonedAt) }
        /// Seconds from the warning until nothing was left to move.
        var secondsToDrain: Double? { seconds(drainedAt) }

        private func seconds(_ text: String?) -> Double? {
            guard let end = text.flatMap(WorldState.date), let start = interruptedAt.flatMap(WorldState.date) else {
                return nil
            }
            return end.timeIntervalSince(start)
        }
    }

    struct Launch: Decodable, Sendable {
        var instanceIDs: [String]
        var replays: Int
    }

    var nodes: [Node]
    /// A budget that a client's removal of a pod broke.
    struct Violation: Decodable, Sendable {
        var budget: String
        var pod: String
        /// "evict" or "delete".
        var verb: String
        var at: String
    }

    var pdbViolations: [Violation]
    var abruptPodDeaths: Int
    var launchesByToken: [String: Launch]

    static func date(_ text: String) -> Date? {
        (try? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
            ?? (try? Date(text, strategy: .iso8601))
    }

    func node(_ instance: String) -> Node? { nodes.first { $0.instanceID == instance } }

    /// Launches that were carried out for one instance's replacement, by the tag that they bear.
    func nodes(of cluster: String) -> [Node] { nodes.filter { $0.cluster == cluster } }
}

/// A node that was warned.
struct Warned: Decodable, Sendable {
    var cluster: String
    var node: String
    var instanceID: String
    var eventID: String
    var deadline: String?
}

/// A running simulator.
struct World: Sendable {
    let file: WorldFile
    let directory: String
    let transport = HTTPTransport(connectionsMax: 8)

    func cluster(_ name: String) throws -> WorldFile.Cluster {
        guard let found = file.clusters.first(where: { $0.name == name }) else {
            throw Child.Failure(description: "no cluster \(name) in this world")
        }
        return found
    }

    func kubeconfig(_ cluster: String, role: String = "act") -> String { "\(directory)/\(cluster)-\(role).kubeconfig" }

    func control(_ method: String, _ path: String, _ body: String? = nil) async throws -> JSONText {
        let response = try await transport.send(
            HTTPRequest(
                method: method, url: "\(file.awsURL)/_control/\(path)",
                headers: [(name: "Content-Type", value: "application/json")], body: body.map { Array($0.utf8) },
                timeout: .seconds(60), responseBytesMax: 256 << 20))
        let text = String(decoding: response.body, as: UTF8.self)
        guard response.status < 300 else {
            throw Child.Failure(description: "the simulator answered \(response.status) to \(path): \(text)")
        }
        return JSONText(text: text)
    }

    func state(_ cluster: String? = nil) async throws -> WorldState {
        try await control("GET", "state" + (cluster.map { "?cluster=\($0)" } ?? "")).decode()
    }

    /// Sends spot warnings (or other notices) for nodes that the world picks.
    func interrupt(_ cluster: String, count: Int = 1, kind: String = "spot") async throws -> [Warned] {
        struct Reply: Decodable { var interrupted: [Warned] }
        let body = "{\"cluster\":\"\(cluster)\",\"count\":\(count),\"kind\":\"\(kind)\"}"
        return try await control("POST", "interrupt", body).decode(Reply.self).interrupted
    }

    /// Something goes wrong while `body` runs.
    func withFault<Value>(_ rule: String, _ body: () async throws -> Value) async throws -> Value {
        _ = try await control("POST", "faults", rule)
        let result: Result<Value, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        _ = try await control("DELETE", "faults")
        return try result.get()
    }

    /// Calls SQS as a customer's account would: the simulator and moto look at the scope of the credential only.
    func sqs(_ action: String, _ body: some Encodable) async throws -> HTTPResponse {
        try await transport.send(
            HTTPRequest(
                method: "POST", url: file.awsURL + "/",
                headers: [
                    (name: "Content-Type", value: "application/x-amz-json-1.0"),
                    (name: "X-Amz-Target", value: "AmazonSQS.\(action)"),
                    (
                        name: "Authorization",
                        value: "AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/us-east-1/sqs/aws4_request, "
                            + "SignedHeaders=host, Signature=00"
                    ),
                ], body: Array(try JSONText(encoding: body).text.utf8), timeout: .seconds(60)))
    }

    /// Puts messages into a queue as they are.
    func send(_ bodies: [String], to queue: String) async throws {
        struct Entry: Encodable, Sendable {
            var Id: String
            var MessageBody: String
        }
        struct Batch: Encodable, Sendable {
            var QueueUrl: String
            var Entries: [Entry]
        }
        struct Reply: Decodable { var Failed: [JSONText]? }
        // Eight at a time.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, start) in stride(from: 0, to: bodies.count, by: 10).enumerated() {
                if number >= 8 { try await group.next() }
                let part = bodies[start..<min(start + 10, bodies.count)].enumerated().map {
                    Entry(Id: "m\($0)", MessageBody: $1)
                }
                group.addTask {
                    let response = try await sqs("SendMessageBatch", Batch(QueueUrl: queue, Entries: part))
                    let text = JSONText(text: String(decoding: response.body, as: UTF8.self))
                    guard response.status == 200, try text.decode(Reply.self).Failed?.isEmpty ?? true else {
                        throw Child.Failure(
                            description: "SQS took not all of it: \(response.status) \(text.text.prefix(500))")
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// A call of the Kubernetes API as its administrator.
    func kubernetes(
        _ method: String, _ cluster: String, _ path: String, _ body: String? = nil, type: String = "application/json"
    ) async throws -> HTTPResponse {
        let text = try String(contentsOfFile: kubeconfig(cluster, role: "admin"), encoding: .utf8)
        let server = text.split(separator: "\n").first { $0.contains("server: ") }?.split(separator: " ").last ?? ""
        return try await transport.send(
            HTTPRequest(
                method: method, url: server + path,
                headers: [
                    (name: "Content-Type", value: type), (name: "Authorization", value: "Bearer \(cluster)-admin"),
                ], body: body.map { Array($0.utf8) },
                trust: .authority(pem: try String(contentsOfFile: "\(directory)/ca.crt", encoding: .utf8))))
    }
}

/// Events as AWS writes them.
enum Event {
    static func spotWarning(
        _ instance: String, account: String = "123456789012", region: String = "us-east-1",
        id: String = UUID().uuidString,
        at: Date = Date(), padding: Int = 0
    ) -> String {
        """
        {"version":"0","id":"\(id)","detail-type":"EC2 Spot Instance Interruption Warning","source":"aws.ec2",\
        "account":"\(account)","time":"\(at.formatted(.iso8601))","region":"\(region)",\
        "resources":["arn:aws:ec2:\(region)a:instance/\(instance)"],\
        "detail":{"instance-id":"\(instance)","instance-action":"terminate"},"padding":"\(String(repeating: "x", count: padding))"}
        """
    }

    static func stateChange(_ instance: String, state: String) -> String {
        """
        {"version":"0","id":"\(UUID().uuidString)","detail-type":"EC2 Instance State-change Notification",\
        "source":"aws.ec2","account":"123456789012","time":"\(Date().formatted(.iso8601))","region":"us-east-1",\
        "resources":[],"detail":{"instance-id":"\(instance)","state":"\(state)"}}
        """
    }

    /// An id that no instance has.
    static func strangerID(_ number: Int) -> String {
        let hex = String(number, radix: 16)
        return "i-" + String(repeating: "e", count: 17 - hex.count) + hex
    }
}
