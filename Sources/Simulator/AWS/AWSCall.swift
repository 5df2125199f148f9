/// An AWS request, as far as the simulator looks into it.
struct AWSCall: Sendable {
    /// As in the credential scope: "ec2", "sqs", "sts", "autoscaling", "pricing".
    var service: String
    var region: String
    var accessKey: String
    var action: String
    /// Of the query protocol.
    var parameters: [String: String]
    /// Of the JSON protocol.
    var json: JSONValue

    var isJSON: Bool { !json.isNull }

    /// Whether it only reads, or only moves messages.
    var isChange: Bool {
        let reading = ["Describe", "Get", "List", "Receive", "Assume", "ChangeMessageVisibility"]
        return !reading.contains { action.hasPrefix($0) }
    }

    init(_ request: ServerRequest) {
        let scope = Self.credential(request)
        accessKey = scope.first ?? ""
        region = scope.count > 2 ? scope[2] : "us-east-1"
        service = scope.count > 3 ? scope[3] : ""
        if let target = request.header("x-amz-target") {
            action = target.split(separator: ".").last.map(String.init) ?? ""
            parameters = [:]
            json = (try? JSONValue(parsing: request.body)) ?? .object([:])
        } else {
            parameters = FormEncoding.decode(request.query)
            if request.header("content-type")?.hasPrefix("application/x-www-form-urlencoded") == true {
                parameters.merge(FormEncoding.decode(String(decoding: request.body, as: UTF8.self))) { _, body in body }
            }
            action = parameters["Action"] ?? (service == "eks" ? Self.eksAction(request) : "")
            json = .null
        }
    }

    /// EKS names its actions by method and path.
    private static func eksAction(_ request: ServerRequest) -> String {
        let parts = request.path.split(separator: "/")
        let collection = parts.count == 1 || parts.count == 3
        switch (request.method, parts.first) {
        case ("POST", "tags"): return "TagResource"
        case ("DELETE", "tags"): return "UntagResource"
        case (_, "tags"): return "ListTagsForResource"
        default: break
        }
        let what = parts.count > 2 && parts[2] == "node-groups" ? "Nodegroup" : "Cluster"
        switch request.method {
        case "GET": return collection ? "List\(what)s" : "Describe\(what)"
        case "DELETE": return "Delete\(what)"
        default: return parts.last == "update-config" ? "Update\(what)Config" : "Create\(what)"
        }
    }

    /// Access key, date, region, service.
    private static func credential(_ request: ServerRequest) -> [String] {
        let text: String
        if let header = request.header("authorization"), let position = header.range(ofText: "Credential=") {
            text = String(header[position...].prefix { $0 != "," && $0 != " " })
        } else {
            text = FormEncoding.decode(request.query)["X-Amz-Credential"] ?? ""
        }
        return text.split(separator: "/").map(String.init)
    }

    /// The tags for a kind of resource, from `TagSpecification.N`.
    func tags(for resource: String) -> [String: String] { AWSParameters(parameters).tags(for: resource) }
}

extension String {
    /// Where the text after `prefix` begins.
    func range(ofText prefix: String) -> String.Index? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(prefix) { return index(start, offsetBy: prefix.count) }
            start = index(after: start)
        }
        return nil
    }
}

/// Parameters of the query protocol with their numbered lists.
struct AWSParameters {
    var values: [String: String]

    init(_ values: [String: String]) { self.values = values }

    subscript(name: String) -> String? { values[name] }

    /// `name.1`, `name.2`, … without gaps.
    func list(_ name: String) -> [String] {
        var result: [String] = []
        while let value = values["\(name).\(result.count + 1)"] { result.append(value) }
        return result
    }

    /// The parameters below `name.1`, `name.2`, …, each with the prefix removed.
    func groups(_ name: String) -> [AWSParameters] {
        var result: [Int: [String: String]] = [:]
        for (key, value) in values where key.hasPrefix(name + ".") {
            let rest = key.dropFirst(name.count + 1)
            let parts = rest.split(separator: ".", maxSplits: 1)
            guard parts.count == 2, let number = Int(parts[0]) else { continue }
            result[number, default: [:]][String(parts[1])] = value
        }
        return result.sorted { $0.key < $1.key }.map { AWSParameters($0.value) }
    }

    func tags(for resource: String) -> [String: String] {
        var tags: [String: String] = [:]
        for specification in groups("TagSpecification") where specification["ResourceType"] == resource {
            for tag in specification.groups("Tag") { tags[tag["Key"] ?? ""] = tag["Value"] ?? "" }
        }
        return tags
    }
}
