import Infrastructure

extension NamespaceObject: DomainObject {
    func domain() -> Namespace {
        Namespace(
            name: metadata.name, uid: metadata.uid, labels: metadata.labels, annotations: metadata.annotations,
            isTerminating: status?.phase == "Terminating")
    }
}

extension PriorityClassObject: DomainObject {
    func domain() -> PriorityClass {
        PriorityClass(
            name: metadata.name, value: value, isDefault: globalDefault ?? false, preempts: preemptionPolicy != "Never")
    }
}

/// A LimitRange: its items.
struct LimitRangeObject: DomainObject, Equatable {
    struct Item: Decodable, Sendable, Equatable {
        var type: String
        var min: [String: Quantity]?
        var max: [String: Quantity]?
        var `default`: [String: Quantity]?
        var defaultRequest: [String: Quantity]?
        var maxLimitRequestRatio: [String: Quantity]?
    }
    struct Spec: Decodable, Sendable, Equatable {
        var limits: [Item]?
    }
    var metadata: ObjectMetadata
    var spec: Spec?

    func domain() -> [LimitRangeItem] {
        func amounts(_ list: [String: Quantity]?) -> Infrastructure.Resources {
            Infrastructure.Resources(ResourceAmounts.of(list), pods: 0)
        }
        return (spec?.limits ?? []).map { item in
            LimitRangeItem(
                namespace: metadata.space, type: item.type, min: amounts(item.min), max: amounts(item.max),
                defaultLimit: amounts(item.default), defaultRequest: amounts(item.defaultRequest),
                limitToRequestRatioMax: (item.maxLimitRequestRatio ?? [:]).mapValues(\.thousandths))
        }
    }
}

/// That a field is there; its content is not read.
struct Presence: Decodable, Sendable, Equatable {
    init(from decoder: any Decoder) throws {}
}

/// A ResourceQuota.
struct ResourceQuotaObject: DomainObject, Equatable {
    struct Spec: Decodable, Sendable, Equatable {
        var scopes: [String]?
        var scopeSelector: Presence?
    }
    struct Status: Decodable, Sendable, Equatable {
        var hard: [String: Quantity]?
        var used: [String: Quantity]?
    }
    var metadata: ObjectMetadata
    var spec: Spec?
    var status: Status?

    func domain() -> ResourceQuota {
        func amounts(_ list: [String: Quantity]?) -> [String: Int64] {
            Dictionary(
                uniqueKeysWithValues: (list ?? [:]).map { name, quantity in
                    (name, name.hasSuffix("cpu") ? quantity.thousandths : quantity.units)
                })
        }
        return ResourceQuota(
            namespace: metadata.space, name: metadata.name, hard: amounts(status?.hard), used: amounts(status?.used),
            isScoped: !(spec?.scopes ?? []).isEmpty || spec?.scopeSelector != nil)
    }
}

/// A Service.
struct ServiceObject: DomainObject, Equatable {
    struct Spec: Decodable, Sendable, Equatable {
        var type: String?
        var clusterIP: String?
        var selector: [String: String]?
        var trafficDistribution: String?
        var internalTrafficPolicy: String?
    }
    var metadata: ObjectMetadata
    var spec: Spec

    func domain() -> Service {
        Service(
            namespace: metadata.space, name: metadata.name, uid: metadata.uid,
            resourceVersion: metadata.resourceVersion, type: spec.type ?? "ClusterIP",
            isHeadless: spec.clusterIP == "None", selector: spec.selector ?? [:],
            trafficDistribution: spec.trafficDistribution,
            internalTrafficPolicy: spec.internalTrafficPolicy ?? "Cluster",
            topologyMode: metadata.annotations["service.kubernetes.io/topology-mode"], gitOps: metadata.gitOps,
            annotations: metadata.annotations.filter { $0.key.hasPrefix("cloudoptim.io/") })
    }
}

/// An EndpointSlice, counted by zone: addresses and hosts' names are not read.
struct EndpointSliceObject: DomainObject, Equatable {
    struct Conditions: Decodable, Sendable, Equatable {
        var ready: Bool?
    }
    struct Endpoint: Decodable, Sendable, Equatable {
        var zone: String?
        var conditions: Conditions?
    }
    var metadata: ObjectMetadata
    var addressType: String
    var endpoints: [Endpoint]?

    func domain() -> EndpointCount {
        var counts: [String: Int] = [:]
        // Unknown readiness counts as ready, as the API says.
        for endpoint in endpoints ?? [] where endpoint.conditions?.ready ?? true {
            counts[endpoint.zone ?? "", default: 0] += 1
        }
        return EndpointCount(
            namespace: metadata.space, slice: metadata.name,
            service: metadata.labels["kubernetes.io/service-name"] ?? "", addressType: addressType, readyByZone: counts)
    }
}

/// `metrics.k8s.io/v1beta1` PodMetrics.
struct PodMetricsObject: DomainObject, Equatable {
    struct Container: Decodable, Sendable, Equatable {
        var name: String
        var usage: [String: Quantity]
    }
    var metadata: ObjectMetadata
    var timestamp: Timestamp
    var window: String
    var containers: [Container]

    func domain() throws -> PodUsage {
        guard let seconds = GoDuration.seconds(window) else { throw UnmappedObject(field: "window") }
        var usage = PodUsage(
            namespace: metadata.space, pod: metadata.name, at: timestamp.date, windowSeconds: seconds,
            containers: containers.map {
                ContainerUsage(
                    name: $0.name, cpu: MilliCPU(rawValue: $0.usage["cpu"]?.thousandths ?? 0),
                    memory: Bytes(rawValue: $0.usage["memory"]?.units ?? 0))
            })
        usage.labels = metadata.labels.filter { PodUsage.labelKeys.contains($0.key) }
        return usage
    }
}

/// A duration as Go writes it: `1m5.2s`, `15s`.
enum GoDuration {
    private static let units: [String: Double] = [
        "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600,
    ]

    /// Its length in seconds; nil: not a duration.
    static func seconds(_ text: String) -> Double? {
        var rest = Substring(text)
        var total = 0.0
        if rest == "0" { return 0 }
        guard !rest.isEmpty, rest.utf8.count <= 64 else { return nil }
        while !rest.isEmpty {
            let number = rest.prefix { $0.isASCII && $0.isNumber || $0 == "." }
            rest = rest.dropFirst(number.count)
            let unit = rest.prefix { !($0.isASCII && $0.isNumber) && $0 != "." }
            rest = rest.dropFirst(unit.count)
            guard let value = Double(number), let scale = units[String(unit)] else { return nil }
            total += value * scale
        }
        return total
    }
}
