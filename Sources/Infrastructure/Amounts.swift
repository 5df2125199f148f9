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

/// What pods ask of a node, and what a node has to give.
public struct Resources: Hashable, Sendable, Codable {
    /// CPU.
    public var cpu: MilliCPU
    /// Memory.
    public var memory: Bytes
    /// Pods.
    public var pods: Int

    /// Makes an amount of each.
    public init(cpu: MilliCPU = .zero, memory: Bytes = .zero, pods: Int = 0) {
        self.cpu = cpu
        self.memory = memory
        self.pods = pods
    }

    /// The sums.
    public static func + (left: Resources, right: Resources) -> Resources {
        Resources(cpu: left.cpu + right.cpu, memory: left.memory + right.memory, pods: left.pods + right.pods)
    }

    /// Whether all of this finds room in `capacity`.
    public func fits(in capacity: Resources) -> Bool {
        cpu <= capacity.cpu && memory <= capacity.memory && pods <= capacity.pods
    }
}
