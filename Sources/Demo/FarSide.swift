import Foundation
import HTTPClient

/// The world from outside: the simulator's control API, its Kubernetes API, and moto itself.
struct FarSide: Sendable {
    let address: WorldAddress
    let cluster: WorldAddress.Cluster
    private let kubernetesURL: String
    private let authority: String
    private let transport = HTTPTransport(connectionsMax: 8)

    /// Reads how to reach the world, and one cluster in it, from the simulator's folder.
    init(folder: String, cluster name: String = DemoSettings.cluster) throws {
        func read(_ name: String) throws -> String {
            do { return try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8) } catch {
                throw DemoError("\(folder)/\(name) cannot be read: \(error)")
            }
        }
        address = try JSONDecoder.ofTheWorld.decode(WorldAddress.self, from: Data(try read("world.json").utf8))
        guard let found = address.clusters.first(where: { $0.name == name }) else {
            throw DemoError("\(folder)/world.json has no cluster '\(name)'")
        }
        cluster = found
        authority = try read("ca.crt")
        let kubeconfig = try read("\(name)-admin.kubeconfig")
        guard let line = kubeconfig.split(separator: "\n").first(where: { $0.contains("server: ") }),
            let server = line.split(separator: " ").last
        else { throw DemoError("\(folder): the kubeconfig names no server") }
        kubernetesURL = String(server)
    }

    // MARK: The simulator's notes

    func state() async throws -> WorldState {
        try await json("GET", address.awsURL + "/_control/state?cluster=\(cluster.name)")
    }

    /// Calls after the given one.
    func log(after sequence: Int) async throws -> LoggedCall.Page {
        try await json("GET", address.awsURL + "/_control/log?after=\(sequence)&limit=10000")
    }

    /// Sends spot warnings for nodes that were not warned yet; two minutes later their instances end.
    /// - Parameter copies: how often each message is sent.
    func warn(nodes: Int, copies: Int) async throws -> [SentNotice] {
        let body = "{\"cluster\":\"\(cluster.name)\",\"count\":\(nodes),\"duplicate\":\(copies - 1)}"
        let answer: SentNotice.Answer = try await json("POST", address.awsURL + "/_control/interrupt", body)
        guard answer.interrupted.count == nodes else {
            throw DemoError("the simulator warned \(answer.interrupted.count) nodes, wanted \(nodes)")
        }
        return answer.interrupted
    }

    /// From now on no pool of this type has spot capacity.
    func exhaustSpot(of type: String) async throws {
        let body = "{\"effect\":\"no-capacity\",\"capacityType\":\"spot\",\"instanceType\":\"\(type)\"}"
        _ = try await send("POST", address.awsURL + "/_control/faults", body: Array(body.utf8))
    }

    /// Every pod of the cluster.
    func pods() async throws -> [SeenPod] {
        let list: PodList = try await kubernetes("/api/v1/pods")
        return list.pods
    }

    /// A list of the cluster's API.
    func kubernetes<List: Decodable>(_ path: String) async throws -> List {
        try await json(
            "GET", kubernetesURL + path, headers: [("Authorization", "Bearer \(cluster.name)-admin")],
            trust: .authority(pem: authority))
    }

    /// The simulator's control API.
    func control<Answer: Decodable>(_ method: String, _ path: String, _ body: String? = nil) async throws -> Answer {
        try await json(method, address.awsURL + "/_control/" + path, body)
    }

    /// A call of EC2 that moto answers, as the account's owner would make it.
    func moto(_ action: String, _ fields: [(String, String)]) async throws -> XMLElementTree {
        try XMLElementTree(try await query(address.motoURL, "ec2", [("Action", action)] + fields))
    }

    // MARK: AWS

    /// Puts a message into the cluster's queue, as anyone with access to it could.
    func sendMessage(_ text: String) async throws {
        let body = try JSONSerialization.data(withJSONObject: ["QueueUrl": cluster.queueURL, "MessageBody": text])
        _ = try await aws(address.awsURL, "sqs", target: "AmazonSQS.SendMessage", Array(body))
    }

    /// Messages that are still in the queue, waiting or held, as the queue counts them.
    func messagesLeft() async throws -> Int {
        let body = try JSONSerialization.data(withJSONObject: ["QueueUrl": cluster.queueURL, "AttributeNames": ["All"]])
        let answer = try await aws(address.awsURL, "sqs", target: "AmazonSQS.GetQueueAttributes", Array(body))
        struct Answer: Decodable { var Attributes: [String: String] }
        let attributes = try JSONDecoder().decode(Answer.self, from: Data(answer)).Attributes
        guard let waiting = attributes["ApproximateNumberOfMessages"].flatMap({ Int($0) }),
            let held = attributes["ApproximateNumberOfMessagesNotVisible"].flatMap({ Int($0) })
        else { throw DemoError("SQS does not count the messages of \(cluster.queueURL)") }
        return waiting + held
    }

    /// An instance as moto knows it.
    struct Instance: Sendable, Equatable {
        var id: String
        var type: String
        var zone: String
        var isSpot: Bool
        var state: String
        var tags: [String: String]
    }

    /// Every instance with that tag, ended ones too, asked of moto and not of the simulator.
    func instances(tag: String) async throws -> [Instance] {
        let answer = try await query(
            address.motoURL, "ec2",
            [("Action", "DescribeInstances"), ("Filter.1.Name", "tag-key"), ("Filter.1.Value.1", tag)])
        return try XMLElementTree(answer).all("instancesSet").flatMap { $0.children("item") }.map { item in
            var tags: [String: String] = [:]
            for pair in item.all("tagSet").flatMap({ $0.children("item") }) {
                tags[pair.text("key") ?? ""] = pair.text("value") ?? ""
            }
            return Instance(
                id: item.text("instanceId") ?? "", type: item.text("instanceType") ?? "",
                zone: item.all("placement").first?.text("availabilityZone") ?? "",
                isSpot: item.text("instanceLifecycle") == "spot",
                state: item.all("instanceState").first?.text("name") ?? "", tags: tags)
        }
    }

    /// What a spot instance costs at a time of the world, or now, in dollars per hour; nil: not known.
    func spotPrice(type: String, zone: String, at time: Date? = nil) async throws -> Double? {
        let now = (time ?? Date().addingTimeInterval(3600)).ISO8601Format()
        let answer = try await query(
            address.awsURL, "ec2",
            [
                ("Action", "DescribeSpotPriceHistory"), ("InstanceType.1", type), ("AvailabilityZone", zone),
                ("ProductDescription.1", "Linux/UNIX"), ("StartTime", now), ("EndTime", now),
            ])
        return try XMLElementTree(answer).all("spotPrice").first.flatMap { Double($0.content) }
    }

    /// What the type costs on demand, in dollars per hour; nil: not known.
    func onDemandPrice(type: String) async throws -> Double? {
        let filter = ["Type": "TERM_MATCH", "Field": "instanceType", "Value": type]
        let region = ["Type": "TERM_MATCH", "Field": "regionCode", "Value": cluster.region]
        let body = try JSONSerialization.data(
            withJSONObject: ["ServiceCode": "AmazonEC2", "Filters": [filter, region]] as [String: Any])
        let answer = try await aws(
            address.awsURL, "pricing", target: "AWSPriceListService.GetProducts", Array(body))
        struct Answer: Decodable { var PriceList: [String] }
        struct Product: Decodable {
            struct Terms: Decodable { var OnDemand: [String: Offer] }
            struct Offer: Decodable { var priceDimensions: [String: Dimension] }
            struct Dimension: Decodable { var pricePerUnit: [String: String] }
            var terms: Terms
        }
        let list = try JSONDecoder().decode(Answer.self, from: Data(answer)).PriceList
        guard let first = list.first else { return nil }
        let product = try JSONDecoder().decode(Product.self, from: Data(first.utf8))
        return product.terms.OnDemand.values.first?.priceDimensions.values.first?.pricePerUnit["USD"]
            .flatMap { Double($0) }
    }

    // MARK: The wire

    private func query(_ base: String, _ service: String, _ fields: [(String, String)]) async throws -> [UInt8] {
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "-._~")
        let form = fields.map { name, value in
            "\(name)=\(value.addingPercentEncoding(withAllowedCharacters: allowed) ?? value)"
        }.joined(separator: "&")
        return try await send(
            "POST", base + "/",
            headers: [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"), scope(service)],
            body: Array(form.utf8))
    }

    private func aws(_ base: String, _ service: String, target: String, _ body: [UInt8]) async throws -> [UInt8] {
        try await send(
            "POST", base + "/",
            headers: [("X-Amz-Target", target), ("Content-Type", "application/x-amz-json-1.0"), scope(service)],
            body: body)
    }

    /// moto reads service and region out of it and checks no signature.
    private func scope(_ service: String) -> (String, String) {
        (
            "Authorization",
            "AWS4-HMAC-SHA256 Credential=DEMO/20260101/\(cluster.region)/\(service)/aws4_request, "
                + "SignedHeaders=host, Signature=00"
        )
    }

    private func json<Value: Decodable>(
        _ method: String, _ url: String, _ body: String? = nil, headers: [(String, String)] = [],
        trust: TLSTrust = .system
    ) async throws -> Value {
        let bytes = try await send(method, url, headers: headers, body: body.map { Array($0.utf8) }, trust: trust)
        do { return try JSONDecoder.ofTheWorld.decode(Value.self, from: Data(bytes)) } catch {
            throw DemoError("\(method) \(url) answered something else than \(Value.self): \(error)")
        }
    }

    private func send(
        _ method: String, _ url: String, headers: [(String, String)] = [], body: [UInt8]? = nil,
        trust: TLSTrust = .system
    ) async throws -> [UInt8] {
        let response = try await transport.send(
            HTTPRequest(
                method: method, url: url, headers: headers.map { (name: $0.0, value: $0.1) }, body: body,
                timeout: .seconds(20), trust: trust))
        guard response.status < 300 else {
            let text = String(decoding: response.body.prefix(300), as: UTF8.self)
            throw DemoError("\(method) \(url) answered \(response.status): \(text)")
        }
        return response.body
    }
}
