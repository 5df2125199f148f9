import Foundation

/// What goes wrong, on command.
enum FaultEffect: String, Sendable, CaseIterable {
    /// Answers after `seconds`.
    case slow
    /// Answers `status` (default 503) without acting.
    case error
    /// Closes the connection before acting.
    case dropBefore = "drop-before"
    /// Acts, then closes the connection without an answer.
    case dropAfter = "drop-after"
    /// 429, or RequestLimitExceeded on AWS.
    case throttle
    /// AWS launches in the matching pools: InsufficientInstanceCapacity.
    case noCapacity = "no-capacity"
    /// 401 or ExpiredToken.
    case expiredToken = "expired-token"
    /// 403 or UnauthorizedOperation.
    case unauthorized
    /// An answer of `bytes` (default 50 MB).
    case huge
}

/// A rule: which requests fail, how, how often and how long.
struct FaultRule: Sendable {
    var id: Int
    var effect: FaultEffect
    /// "kubernetes" or "aws"; nil for both.
    var endpoint: String?
    var cluster: String?
    var method: String?
    /// Part of the request's path.
    var path: String?
    var service: String?
    var action: String?
    var instanceType: String?
    var zone: String?
    /// "spot" or "on-demand".
    var capacityType: String?
    var probability: Double
    /// How many more requests it hits; nil for no bound.
    var remaining: Int?
    var until: Date?
    var seconds: Double
    var status: Int
    var code: String?
    var bytes: Int
    var hits = 0

    /// - Throws: `APIStatus` 400 that names the member.
    init(id: Int, json: JSONValue) throws {
        self.id = id
        guard let effect = FaultEffect(rawValue: json["effect"].string ?? "") else {
            let known = FaultEffect.allCases.map(\.rawValue).joined(separator: ", ")
            throw APIStatus.badRequest("effect: one of \(known), found \(json["effect"].text)")
        }
        self.effect = effect
        endpoint = json["endpoint"].string
        cluster = json["cluster"].string
        method = json["method"].string
        path = json["path"].string
        service = json["service"].string
        action = json["action"].string
        instanceType = json["instanceType"].string
        zone = json["zone"].string
        capacityType = json["capacityType"].string
        probability = json["probability"].double ?? 1
        guard (0...1).contains(probability) else {
            throw APIStatus.badRequest("probability: a number from 0 to 1, found \(probability)")
        }
        remaining = json["count"].int
        until = json["durationSeconds"].double.map { Date().addingTimeInterval($0) }
        seconds = json["seconds"].double ?? 5
        status = json["status"].int ?? 503
        code = json["code"].string
        bytes = json["bytes"].int ?? 50_000_000
    }

    var json: JSONValue {
        [
            "id": .integer(id), "effect": .string(effect.rawValue), "hits": .integer(hits),
            "remaining": remaining.map { .integer($0) } ?? .null, "probability": .double(probability),
            "endpoint": endpoint.map { .string($0) } ?? .null, "path": path.map { .string($0) } ?? .null,
            "action": action.map { .string($0) } ?? .null,
        ]
    }
}

/// What a request is, for the rules.
struct FaultProbe: Sendable {
    var endpoint: String
    var cluster: String?
    var method = ""
    var path = ""
    var service: String?
    var action: String?
}

/// A place that instances are launched in.
struct CapacityPool: Sendable {
    var instanceType: String
    var zone: String
    var isSpot: Bool
}

actor FaultBoard {
    private var rules: [FaultRule] = []
    private var nextID = 1
    private var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed, for: "faults") }

    func add(_ json: JSONValue) throws -> JSONValue {
        let rule = try FaultRule(id: nextID, json: json)
        nextID += 1
        rules.append(rule)
        return rule.json
    }

    func list() -> JSONValue { .array(rules.map(\.json)) }

    /// - Parameter id: nil for all.
    func remove(id: Int?) { rules.removeAll { id == nil || $0.id == id } }

    /// The rule that hits this request; capacity is asked for by pool.
    func hit(_ probe: FaultProbe) -> FaultRule? {
        take { rule in
            rule.effect != .noCapacity && [nil, probe.endpoint].contains(rule.endpoint)
                && (rule.cluster == nil || rule.cluster == probe.cluster)
                && (rule.method == nil || rule.method == probe.method)
                && (rule.path.map { probe.path.contains($0) } ?? true)
                && (rule.service == nil || rule.service == probe.service)
                && (rule.action == nil || rule.action == probe.action)
        }
    }

    func lacksCapacity(_ pool: CapacityPool) -> FaultRule? {
        take { rule in
            rule.effect == .noCapacity && [nil, pool.instanceType].contains(rule.instanceType)
                && [nil, pool.zone].contains(rule.zone)
                && [nil, pool.isSpot ? "spot" : "on-demand"].contains(rule.capacityType)
        }
    }

    private func take(_ matches: (FaultRule) -> Bool) -> FaultRule? {
        let now = Date()
        for index in rules.indices {
            guard rules[index].until.map({ $0 > now }) ?? true, rules[index].remaining.map({ $0 > 0 }) ?? true,
                matches(rules[index])
            else { continue }
            if rules[index].probability < 1, random.fraction() >= rules[index].probability { continue }
            rules[index].hits += 1
            rules[index].remaining = rules[index].remaining.map { $0 - 1 }
            return rules[index]
        }
        return nil
    }
}
