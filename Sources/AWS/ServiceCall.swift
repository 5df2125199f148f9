import Foundation

/// A call before it is signed: which service and action, with which parameters, and what a repeat of it would do.
struct ServiceCall: Sendable {
    enum Payload: Sendable {
        /// EC2, STS, Auto Scaling: a form in, XML out.
        case form(version: String, parameters: [(String, String)])
        /// SQS, the price list, CloudWatch Logs: JSON in and out.
        case json(target: String, body: [UInt8])
        /// EKS: path, query and a JSON body in, JSON out.
        case rest(method: String, path: String, query: [(String, String)], body: [UInt8])
        /// S3: a path and a query; XML or an object's bytes out, errors in XML.
        case object(path: String, query: [(String, String)])
    }

    var service: AWSService
    var action: String
    var payload: Payload
    /// Whether a second arrival does no more than the first: reads, deletions, calls with a ClientToken.
    var isRepeatable: Bool
    /// Whether it takes a permit of the client's rate for changes.
    var isRated = false
    /// Bound of one attempt.
    var attemptTimeout: Duration = .seconds(15)
    /// False for calls that bring their own proof (AssumeRoleWithWebIdentity).
    var isSigned = true

    /// For messages.
    var title: String { "\(service.rawValue) \(action)" }

    static func ec2(_ action: String, _ form: FormParameters, change: Bool = false, isRepeatable: Bool = true) -> Self {
        ServiceCall(
            service: .ec2, action: action, payload: .form(version: "2016-11-15", parameters: form.pairs),
            isRepeatable: isRepeatable, isRated: change, attemptTimeout: .seconds(20))
    }

    static func autoScaling(_ action: String, _ form: FormParameters, isRepeatable: Bool = true) -> Self {
        ServiceCall(
            service: .autoscaling, action: action, payload: .form(version: "2011-01-01", parameters: form.pairs),
            isRepeatable: isRepeatable)
    }

    static func sts(_ action: String, _ form: FormParameters, isSigned: Bool = true) -> Self {
        ServiceCall(
            service: .sts, action: action, payload: .form(version: "2011-06-15", parameters: form.pairs),
            isRepeatable: true, isSigned: isSigned)
    }

    /// - Parameters:
    ///   - path: its parts, which are encoded here.
    ///   - isRepeatable: nil: where it only reads.
    static func eks(
        _ action: String, method: String, path: [String], query: [(String, String)] = [], body: [UInt8] = [],
        isRepeatable: Bool? = nil
    ) -> Self {
        let path = path.map { "/" + PercentEncoding.encode($0) }.joined()
        return ServiceCall(
            service: .eks, action: action, payload: .rest(method: method, path: path, query: query, body: body),
            isRepeatable: isRepeatable ?? (method == "GET"))
    }

    /// Reads from S3, by path: that works for bucket names with dots, too.
    /// - Parameter path: its parts, the bucket first, which are encoded here.
    static func s3(_ action: String, path: [String], query: [(String, String)] = []) -> Self {
        let path = path.map { "/" + PercentEncoding.encode($0) }.joined()
        return ServiceCall(
            service: .s3, action: action, payload: .object(path: path, query: query), isRepeatable: true)
    }

    /// Method, path below the service's base, query: where it goes.
    var place: (method: String, path: String, query: [(String, String)]) {
        switch payload {
        case .form, .json: ("POST", "/", [])
        case .rest(let method, let path, let query, _): (method, path, query)
        case .object(let path, let query): ("GET", path, query)
        }
    }

    /// Content type, further headers, body. `DryRun` is for EC2 alone.
    func encoded(dryRun: Bool) -> (headers: [(name: String, value: String)], body: [UInt8]) {
        switch payload {
        case .form(let version, let parameters):
            var pairs = [("Action", action), ("Version", version)] + parameters
            if dryRun { pairs.append(("DryRun", "true")) }
            let text = pairs.map {
                PercentEncoding.encode($0, spaceAsPlus: true) + "=" + PercentEncoding.encode($1, spaceAsPlus: true)
            }.joined(separator: "&")
            return ([("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")], Array(text.utf8))
        case .json(let target, let body):
            let version = service == .pricing || service == .logs ? "1.1" : "1.0"
            return ([("Content-Type", "application/x-amz-json-\(version)"), ("X-Amz-Target", target)], body)
        case .rest(_, _, _, let body):
            let type = body.isEmpty ? [] : [(name: "Content-Type", value: "application/json")]
            return ([(name: "Accept", value: "application/json")] + type, body)
        case .object: return ([("X-Amz-Content-Sha256", Digest.sha256([]).hex)], [])
        }
    }
}

/// The parameters of a form in the numbering of AWS: `InstanceId.1`, `Filter.2.Value.1`.
struct FormParameters: Sendable {
    private(set) var pairs: [(String, String)] = []

    mutating func add(_ name: String, _ value: String?) {
        if let value { pairs.append((name, value)) }
    }

    mutating func add(_ name: String, list values: [String]) {
        for (index, value) in values.enumerated() { pairs.append(("\(name).\(index + 1)", value)) }
    }

    mutating func add(filters: [EC2Filter]) {
        for (index, filter) in filters.enumerated() {
            pairs.append(("Filter.\(index + 1).Name", filter.name))
            add("Filter.\(index + 1).Value", list: filter.values)
        }
    }

    mutating func add(tags: [String: String], prefix: String = "Tag") {
        for (index, tag) in tags.sorted(by: { $0.key < $1.key }).enumerated() {
            pairs.append(("\(prefix).\(index + 1).Key", tag.key))
            pairs.append(("\(prefix).\(index + 1).Value", tag.value))
        }
    }

    /// Tags for things that the call makes.
    mutating func add(tags: [String: String], forNew resources: [String]) {
        guard !tags.isEmpty else { return }
        for (index, resource) in resources.enumerated() {
            pairs.append(("TagSpecification.\(index + 1).ResourceType", resource))
            add(tags: tags, prefix: "TagSpecification.\(index + 1).Tag")
        }
    }
}

/// A condition of a Describe call: the name's value is one of these.
public struct EC2Filter: Sendable, Hashable {
    /// Such as `tag:team`, `tag-key`, `instance-state-name`.
    public var name: String
    /// Any of them.
    public var values: [String]

    /// Makes a condition.
    public init(_ name: String, _ values: [String]) {
        self.name = name
        self.values = values
    }
}
