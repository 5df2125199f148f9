import Infrastructure

/// One instance type, as far as choosing a replacement needs it.
public struct InstanceType: Hashable, Sendable {
    /// `m6i.xlarge`.
    public let name: String
    /// `m6i`.
    public let family: String
    /// `amd64` or `arm64`.
    public let architecture: String
    /// Virtual CPUs.
    public let cpus: Int
    /// What pods may use on EKS: an estimate that is about 1 % low on memory, so that what fits in it fits.
    public let allocatable: Resources
    /// On demand in us-east-1, Linux, per hour.
    public let onDemandUSEast1: MicroDollars

    /// Whether a type throttles whoever uses its CPU all the time: the t families and flex.
    public static func isBurstable(_ name: String) -> Bool { name.hasPrefix("t") || name.contains("-flex.") }
}

/// The instance types that replacements are chosen from, by a table shipped with the program.
///
/// Source: Karpenter's and the Kubernetes autoscaler's tables (see InstanceCatalogueData.swift).
public struct InstanceCatalogue: Sendable {
    /// The shipped table.
    public static let shipped = InstanceCatalogue(text: instanceCatalogueText)

    /// Every type, ordered by price and then name.
    public let types: [InstanceType]
    private let byName: [String: InstanceType]

    /// Reads a table; lines and entries that do not have its form are left out.
    init(text: String) {
        var types: [InstanceType] = []
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count >= 3 else { continue }
            for entry in words.dropFirst(2) {
                let fields = entry.split(separator: ":")
                let numbers = fields.dropFirst().compactMap { Int64($0) }
                guard fields.count == 7, numbers.count == 6 else { continue }
                types.append(
                    InstanceType(
                        name: "\(words[0]).\(fields[0])", family: String(words[0]), architecture: String(words[1]),
                        cpus: Int(numbers[0]),
                        allocatable: Resources(
                            cpu: MilliCPU(rawValue: numbers[3]), memory: .mebibytes(numbers[4]), pods: Int(numbers[2])),
                        onDemandUSEast1: MicroDollars(rawValue: numbers[5])))
            }
        }
        self.types = types.sorted { ($0.onDemandUSEast1, $0.name) < ($1.onDemandUSEast1, $1.name) }
        byName = Dictionary(types.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// The type of that name; nil: not in the table.
    public func type(named name: String) -> InstanceType? { byName[name] }

    /// The types that can carry a requirement, the cheapest first.
    /// - Parameters:
    ///   - families: empty: all.
    ///   - takesBurstable: whether those that throttle will do.
    public func carrying(
        _ need: Resources, architecture: String, families: [String] = [], takesBurstable: Bool = true
    ) -> [InstanceType] {
        types.filter {
            $0.architecture == architecture && need.fits(in: $0.allocatable)
                && (families.isEmpty || families.contains($0.family))
                && (takesBurstable || !InstanceType.isBurstable($0.name))
        }
    }
}
