import Infrastructure

/// What a CPU and a gibibyte of memory cost per hour: what a smaller request frees, once packing removes nodes for it.
public struct UnitPrices: Hashable, Sendable, Codable {
    /// A virtual CPU for an hour, in dollars.
    public var cpuHour: Double
    /// A gibibyte for an hour, in dollars.
    public var gibibyteHour: Double

    /// Names prices.
    public init(cpuHour: Double, gibibyteHour: Double) {
        self.cpuHour = cpuHour
        self.gibibyteHour = gibibyteHour
    }

    /// Solves the prices of two families that differ in memory alone: of `c5.xlarge` and `r5.xlarge`, on demand in
    /// us-east-1; then scales both so that the cluster's nodes cost what they cost.
    /// - Parameters:
    ///   - nodes: instance types of the cluster's nodes, one entry for each node.
    ///   - prices: on-demand prices of the region by type, where they are known; else the catalogue's.
    public init(
        nodes: [String], prices: [String: MicroDollars] = [:], catalogue: InstanceCatalogue = .shipped
    ) {
        func price(_ type: InstanceType) -> Double {
            Double((prices[type.name] ?? type.onDemandUSEast1).rawValue) / 1e6
        }
        func gibibytes(_ type: InstanceType) -> Double { Double(type.allocatable.memory.rawValue) / 1_073_741_824 }
        self.init(cpuHour: 0.0316, gibibyteHour: 0.0042)
        if let small = catalogue.type(named: "c5.xlarge"), let large = catalogue.type(named: "r5.xlarge"),
            small.cpus == large.cpus, gibibytes(large) > gibibytes(small)
        {
            gibibyteHour = (price(large) - price(small)) / (gibibytes(large) - gibibytes(small))
            cpuHour = (price(small) - gibibyteHour * gibibytes(small)) / Double(small.cpus)
        }
        let known = nodes.compactMap { catalogue.type(named: $0) }
        let modelled = known.reduce(0.0) { $0 + Double($1.cpus) * cpuHour + gibibytes($1) * gibibyteHour }
        let paid = known.reduce(0.0) { $0 + price($1) }
        guard modelled > 0, paid > 0 else { return }
        cpuHour *= paid / modelled
        gibibyteHour *= paid / modelled
    }

    /// What an amount costs per hour; negative amounts give negative prices.
    public func price(cpu: Int64, memory: Int64) -> MicroDollars {
        .dollars(Double(cpu) / 1000 * cpuHour + Double(memory) / 1_073_741_824 * gibibyteHour)
    }
}
