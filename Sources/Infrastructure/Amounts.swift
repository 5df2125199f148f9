/// A whole number of some unit. Arithmetic saturates instead of trapping: amounts come from outside.
public protocol Amount: RawRepresentable, Hashable, Sendable, Codable, Comparable, CustomStringConvertible,
    ExpressibleByIntegerLiteral
where RawValue == Int64 {
    /// Takes a number of units.
    init(rawValue: Int64)
}

extension Amount {
    /// Nothing.
    public static var zero: Self { Self(rawValue: 0) }
    /// Takes a number of units.
    public init(integerLiteral value: Int64) { self.init(rawValue: value) }
    /// The number alone; the type names the unit.
    public var description: String { String(rawValue) }
    /// The sum, at most the largest amount.
    public static func + (left: Self, right: Self) -> Self {
        let (sum, overflow) = left.rawValue.addingReportingOverflow(right.rawValue)
        return Self(rawValue: overflow ? (left.rawValue < 0 ? .min : .max) : sum)
    }
    /// The difference, at least the smallest amount.
    public static func - (left: Self, right: Self) -> Self {
        let (difference, overflow) = left.rawValue.subtractingReportingOverflow(right.rawValue)
        return Self(rawValue: overflow ? (left.rawValue < 0 ? .min : .max) : difference)
    }
    /// Adds in place.
    public static func += (left: inout Self, right: Self) { left = left + right }
    /// Orders by size.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// Thousandths of a CPU.
public struct MilliCPU: Amount {
    /// The number of thousandths.
    public let rawValue: Int64
    /// Takes a number of thousandths.
    public init(rawValue: Int64) { self.rawValue = rawValue }
}

/// Bytes of memory or storage.
public struct Bytes: Amount {
    /// The number of bytes.
    public let rawValue: Int64
    /// Takes a number of bytes.
    public init(rawValue: Int64) { self.rawValue = rawValue }
    /// Takes mebibytes.
    public static func mebibytes(_ count: Int64) -> Bytes {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: 1 << 20)
        return Bytes(rawValue: overflow ? .max : bytes)
    }
}

/// Millionths of a US dollar; of prices: per hour.
public struct MicroDollars: Amount {
    /// The number of millionths.
    public let rawValue: Int64
    /// Takes a number of millionths.
    public init(rawValue: Int64) { self.rawValue = rawValue }
    /// Takes dollars, rounded to the nearest millionth; what no amount can hold becomes the nearest one that can.
    public static func dollars(_ amount: Double) -> MicroDollars {
        let millionths = (amount * 1e6).rounded()
        if millionths.isNaN { return .zero }
        return MicroDollars(rawValue: Int64(exactly: millionths) ?? (millionths < 0 ? .min : .max))
    }
    /// In dollars, for people.
    public var dollars: Double { Double(rawValue) / 1e6 }
}

/// What pods ask of a node, and what a node has to give. Zero: nothing asked, none set.
public struct Resources: Hashable, Sendable {
    /// CPU.
    public var cpu: MilliCPU
    /// Memory.
    public var memory: Bytes
    /// Pods.
    public var pods: Int
    /// Local disk: `ephemeral-storage`.
    public var ephemeralStorage: Bytes
    /// Everything else by its name (`nvidia.com/gpu`, `hugepages-2Mi`, `vpc.amazonaws.com/pod-eni`), in whole units.
    public var extended: [String: Int64]

    /// Makes an amount of each.
    public init(
        cpu: MilliCPU = .zero, memory: Bytes = .zero, pods: Int = 0, ephemeralStorage: Bytes = .zero,
        extended: [String: Int64] = [:]
    ) {
        self.cpu = cpu
        self.memory = memory
        self.pods = pods
        self.ephemeralStorage = ephemeralStorage
        self.extended = extended
    }

    /// CPU, memory and pods alone: what a table of instance types knows.
    public var core: Resources { Resources(cpu: cpu, memory: memory, pods: pods) }

    /// What makes an instance type fit: all but local disk, which comes with the launch template.
    public var shape: Resources {
        Resources(cpu: cpu, memory: memory, pods: pods, extended: extended.filter { $0.value > 0 })
    }

    /// The sums.
    public static func + (left: Resources, right: Resources) -> Resources {
        Resources(
            cpu: left.cpu + right.cpu, memory: left.memory + right.memory, pods: left.pods + right.pods,
            ephemeralStorage: left.ephemeralStorage + right.ephemeralStorage,
            extended: left.extended.merging(right.extended) { one, other in
                let (sum, overflow) = one.addingReportingOverflow(other)
                return overflow ? .max : sum
            })
    }

    /// Whether all of this finds room in `capacity`.
    public func fits(in capacity: Resources) -> Bool {
        cpu <= capacity.cpu && memory <= capacity.memory && pods <= capacity.pods
            && ephemeralStorage <= capacity.ephemeralStorage
            && extended.allSatisfy { $0.value <= capacity.extended[$0.key] ?? 0 }
    }
}

extension Resources: Codable {
    private enum Key: String, CodingKey { case cpu, memory, pods, ephemeralStorage, extended }

    /// Reads also what was written before disk and extended resources were kept.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        self.init(
            cpu: try container.decode(MilliCPU.self, forKey: .cpu),
            memory: try container.decode(Bytes.self, forKey: .memory),
            pods: try container.decode(Int.self, forKey: .pods),
            ephemeralStorage: try container.decodeIfPresent(Bytes.self, forKey: .ephemeralStorage) ?? .zero,
            extended: try container.decodeIfPresent([String: Int64].self, forKey: .extended) ?? [:])
    }

    /// Leaves out what there is none of, besides CPU, memory and pods.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(cpu, forKey: .cpu)
        try container.encode(memory, forKey: .memory)
        try container.encode(pods, forKey: .pods)
        if ephemeralStorage != .zero { try container.encode(ephemeralStorage, forKey: .ephemeralStorage) }
        if !extended.isEmpty { try container.encode(extended, forKey: .extended) }
    }
}
