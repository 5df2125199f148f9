import Foundation
import Infrastructure

/// What one container should ask for, and how sure that is. Pure; domain-rules section 5.
public struct SizeAdvice: Hashable, Sendable, Codable {
    /// The container's size by this advice; a value that does not change is as it was.
    public var size: ContainerSize
    /// Whether anything changes.
    public var isChange: Bool
    /// Too little was seen to apply it.
    public var isProvisional: Bool
    /// How much of the window was seen, 0 to 1: coverage times the share of its whole days since the first sample.
    public var confidence: Double
    /// The CPU that the quantile names, before the margin; nil: no sample.
    public var cpuQuantile: MilliCPU?
    /// The most memory that was seen.
    public var memoryMax: Bytes
    /// Why a value is not advised, or bounded: for people.
    public var remarks: [String]

    /// What advice is made from.
    public struct Question: Hashable, Sendable, Codable {
        /// The size now.
        public var size: ContainerSize
        /// What was used.
        public var usage: UsageWindow
        /// The memory below which it was killed before, with its margin; nil: it was not.
        public var memoryFloor: Bytes?
        /// Why CPU is not advised: an autoscaler works by its utilisation. nil: it is.
        public var cpuObjection: String?
        /// Why memory is not advised.
        public var memoryObjection: String?
        /// What bounds the size.
        public var bounds: SizeBounds

        /// Makes a question.
        public init(
            size: ContainerSize, usage: UsageWindow, memoryFloor: Bytes? = nil, cpuObjection: String? = nil,
            memoryObjection: String? = nil, bounds: SizeBounds = SizeBounds()
        ) {
            self.size = size
            self.usage = usage
            self.memoryFloor = memoryFloor
            self.cpuObjection = cpuObjection
            self.memoryObjection = memoryObjection
            self.bounds = bounds
        }
    }

    /// Advises.
    public init(_ question: Question, policy: RightsizingPolicy) {
        let usage = question.usage
        // A window of whole days that ends today holds at least one day less.
        let history = max(86_400, policy.history.interval - 86_400)
        size = question.size
        memoryMax = usage.memoryMax
        remarks = []
        confidence = usage.coverage * min(1, usage.age / history)
        isProvisional =
            usage.samples < policy.samplesMin || usage.age < policy.historyMin.interval
            || usage.coverage < policy.coverageMin
        cpuQuantile = usage.cpu.quantile(policy.cpuQuantile, scale: .milliCPU)
            .map { MilliCPU(rawValue: Int64($0.rounded(.up))) }
        isChange = false
        if let objection = question.cpuObjection {
            remarks.append("cpu: \(objection)")
        } else if let seen = cpuQuantile {
            adviseCPU(question, seen: seen, policy: policy)
        }
        if let objection = question.memoryObjection {
            remarks.append("memory: \(objection)")
        } else if usage.memoryMax > 0 {
            adviseMemory(question, policy: policy)
        }
        isChange = size != question.size
    }

    private mutating func adviseCPU(_ question: Question, seen: MilliCPU, policy: RightsizingPolicy) {
        let bounds = question.bounds
        let wanted = max(policy.cpuMin.rawValue, SizeAdvice.scaled(seen.rawValue, by: policy.cpuMargin))
        let request = clamp(wanted, bounds.cpuMin.rawValue, bounds.cpuMax?.rawValue, "cpu")
        // A request that is not set is the limit.
        let old = (question.size.cpuRequest ?? question.size.cpuLimit)?.rawValue
        guard SizeAdvice.differs(old, request, by: policy.changeMin) else { return }
        size.cpuRequest = MilliCPU(rawValue: request)
        if let limit = question.size.cpuLimit?.rawValue, let old, old > 0 {
            let kept = SizeAdvice.scaled(request, by: Double(limit) / Double(old))
            size.cpuLimit = MilliCPU(rawValue: max(request, clamp(kept, 0, bounds.cpuMax?.rawValue, "cpu limit")))
        }
    }

    private mutating func adviseMemory(_ question: Question, policy: RightsizingPolicy) {
        let bounds = question.bounds
        let needed = max(
            SizeAdvice.scaled(question.usage.memoryMax.rawValue, by: policy.memoryMargin),
            question.memoryFloor?.rawValue ?? 0)
        let wanted = SizeAdvice.wholeMebibytes(max(policy.memoryMin.rawValue, needed))
        let request = clamp(wanted, bounds.memoryMin.rawValue, bounds.memoryMax?.rawValue, "memory")
        let old = (question.size.memoryRequest ?? question.size.memoryLimit)?.rawValue
        guard SizeAdvice.differs(old, request, by: policy.changeMin) else { return }
        if request < needed {
            remarks.append("memory: the bound is below what is used: left as it is")
            return
        }
        size.memoryRequest = Bytes(rawValue: request)
        if let limit = question.size.memoryLimit?.rawValue, let old, old > 0 {
            let kept = SizeAdvice.wholeMebibytes(
                max(SizeAdvice.scaled(request, by: Double(limit) / Double(old)), needed))
            size.memoryLimit = Bytes(
                rawValue: max(request, clamp(kept, 0, bounds.memoryMax?.rawValue, "memory limit")))
        }
    }

    private mutating func clamp(_ value: Int64, _ low: Int64, _ high: Int64?, _ name: String) -> Int64 {
        if let high, value > high {
            remarks.append("\(name): bounded from above")
            return high
        }
        if value < low {
            remarks.append("\(name): bounded from below")
            return low
        }
        return value
    }

    private static func differs(_ old: Int64?, _ new: Int64, by share: Double) -> Bool {
        guard let old, old > 0 else { return true }
        return abs(Double(new - old)) >= share * Double(old)
    }

    static func scaled(_ value: Int64, by factor: Double) -> Int64 {
        let product = (Double(value) * factor).rounded(.up)
        return product >= Double(Int64.max) ? .max : Int64(max(0, product))
    }

    static func wholeMebibytes(_ bytes: Int64) -> Int64 {
        let unit: Int64 = 1 << 20
        let (rounded, overflow) = bytes.addingReportingOverflow(unit - 1)
        return overflow ? bytes : rounded / unit * unit
    }
}
