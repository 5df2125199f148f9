import Foundation
import Infrastructure
import Testing

@testable import Optimizer

@Suite("What a container should ask for")
struct SizeAdviceTests {
    static func usage(cpu: Double, memory: Int64, samples: Int = 5000, days: Double = 7, coverage: Double = 1)
        -> UsageWindow
    {
        var window = UsageWindow([], sampled: [:], length: 7, now: Date(timeIntervalSince1970: 0))
        for _ in 0..<samples { window.cpu.add(cpu, scale: .milliCPU) }
        window.samples = samples
        window.memoryMax = .mebibytes(memory)
        window.age = days * 86_400
        window.coverage = coverage
        return window
    }

    static func size(_ cpu: Int64?, _ cpuLimit: Int64?, _ memory: Int64?, _ memoryLimit: Int64?) -> ContainerSize {
        ContainerSize(
            cpuRequest: cpu.map { MilliCPU(rawValue: $0) }, cpuLimit: cpuLimit.map { MilliCPU(rawValue: $0) },
            memoryRequest: memory.map { .mebibytes($0) }, memoryLimit: memoryLimit.map { .mebibytes($0) })
    }

    func advice(
        _ size: ContainerSize, _ usage: UsageWindow, floor: Int64? = nil, cpuObjection: String? = nil,
        memoryObjection: String? = nil, bounds: SizeBounds = SizeBounds()
    ) -> SizeAdvice {
        SizeAdvice(
            SizeAdvice.Question(
                size: size, usage: usage, memoryFloor: floor.map { .mebibytes($0) }, cpuObjection: cpuObjection,
                memoryObjection: memoryObjection, bounds: bounds), policy: RightsizingPolicy())
    }

    @Test(
        "CPU by the quantile, memory by the most, each with 15 %; limits keep their ratio, one that is not set stays so"
    )
    func rule() {
        let advice = advice(Self.size(1000, nil, 1024, 2048), Self.usage(cpu: 100, memory: 400))
        // 100 m are read as the end of their bucket, 110.27.
        #expect(advice.cpuQuantile == 111)
        #expect(advice.size == Self.size(128, nil, 460, 920))
        #expect(!advice.isProvisional && advice.confidence == 1 && advice.isChange)
    }

    @Test("floors: 10 m and 100 MiB, whatever is used")
    func floors() {
        let advice = advice(Self.size(500, nil, 512, nil), Self.usage(cpu: 1, memory: 3))
        #expect(advice.size.cpuRequest == 12 && advice.size.memoryRequest == .mebibytes(100))
    }

    @Test("memory never falls below what was used, nor below what killed it, also where a bound is tighter")
    func memory() {
        let low = advice(Self.size(nil, nil, 200, 200), Self.usage(cpu: 50, memory: 300))
        #expect(low.size.memoryRequest == .mebibytes(345) && low.size.memoryLimit == .mebibytes(345))
        let killed = advice(Self.size(nil, nil, 512, 512), Self.usage(cpu: 50, memory: 200), floor: 600)
        #expect(killed.size.memoryRequest == .mebibytes(600))
        var bounds = SizeBounds()
        bounds.memoryMax = .mebibytes(256)
        let bounded = advice(Self.size(nil, nil, 200, 200), Self.usage(cpu: 50, memory: 300), bounds: bounds)
        #expect(bounded.size.memoryRequest == .mebibytes(200) && !bounded.remarks.isEmpty)
    }

    @Test("less than a tenth is no change")
    func flapping() {
        #expect(!advice(Self.size(128, nil, 440, nil), Self.usage(cpu: 100, memory: 400)).isChange)
        #expect(advice(Self.size(145, nil, 440, nil), Self.usage(cpu: 100, memory: 400)).isChange)
    }

    @Test("a resource by whose utilisation an autoscaler works is left alone, the other is not")
    func autoscalers() {
        let advice = advice(
            Self.size(1000, nil, 1024, nil), Self.usage(cpu: 100, memory: 400), cpuObjection: "HPA detected")
        #expect(advice.size == Self.size(1000, nil, 460, nil) && advice.remarks == ["cpu: HPA detected"])
    }

    @Test("bounds of the namespace and the nodes hold, and say so")
    func bounds() {
        var bounds = SizeBounds()
        bounds.cpuMin = 200
        bounds.cpuMax = 2000
        let low = advice(Self.size(1000, 1000, nil, nil), Self.usage(cpu: 50, memory: 0), bounds: bounds)
        #expect(low.size.cpuRequest == 200 && low.remarks.count == 1)
        let high = advice(Self.size(1000, 4000, nil, nil), Self.usage(cpu: 5000, memory: 0), bounds: bounds)
        #expect(high.size.cpuRequest == 2000 && high.size.cpuLimit == 2000)
    }

    @Test(
        "too few samples, too short a time or too many gaps make it provisional",
        arguments: [(99, 7.0, 1.0), (5000, 0.9, 1.0), (5000, 7.0, 0.7)])
    func provisional(samples: Int, days: Double, coverage: Double) {
        let usage = Self.usage(cpu: 100, memory: 400, samples: samples, days: days, coverage: coverage)
        let advice = advice(Self.size(1000, nil, 1024, nil), usage)
        #expect(advice.isProvisional && advice.isChange)
        #expect(abs(advice.confidence - coverage * min(1, days / 6)) < 1e-9)
    }

    @Test("prices of a CPU and a gibibyte add up to what the nodes cost")
    func prices() throws {
        let nodes = ["m5.xlarge", "m5.xlarge", "c5.2xlarge", "r5.xlarge"]
        let prices = UnitPrices(nodes: nodes)
        let types = try nodes.map { try #require(InstanceCatalogue.shipped.type(named: $0)) }
        let paid = types.reduce(0.0) { $0 + $1.onDemandUSEast1.dollars }
        let sum = types.reduce(0.0) {
            $0 + prices.price(cpu: Int64($1.cpus) * 1000, memory: $1.allocatable.memory.rawValue).dollars
        }
        #expect(abs(sum - paid) < 0.001)
        #expect(prices.cpuHour > 0.02 && prices.gibibyteHour > 0.002 && prices.cpuHour > prices.gibibyteHour)
        #expect(UnitPrices(nodes: ["mystery.huge"]).cpuHour > 0)
    }
}
