import Foundation
import Infrastructure
import Testing

@testable import Optimizer

@Suite("Histograms of usage")
struct UsageHistogramTests {
    @Test("buckets touch, grow by 5 %, and every value falls into its own")
    func buckets() {
        let scale = UsageScale.milliCPU
        #expect(scale.begin(0) == 0 && abs(scale.begin(1) - 10) < 1e-9 && abs(scale.begin(2) - 20.5) < 1e-9)
        #expect(scale.begin(scale.count) > 1_000_000, "the last bucket reaches a thousand CPUs")
        for index in 0..<(scale.count - 1) {
            #expect(scale.index(of: scale.begin(index)) == index)
            let width = scale.begin(index + 1) - scale.begin(index)
            #expect(abs(width - (scale.first + (scale.growth - 1) * scale.begin(index))) < 1e-6 * width)
            #expect(scale.index(of: scale.begin(index) + width / 2) == index)
        }
        for odd in [-1, 0, .nan, -.infinity] as [Double] { #expect(scale.index(of: odd) == 0) }
        #expect(scale.index(of: 1e30) == scale.count - 1)
    }

    @Test(
        "a quantile is never too low, and too high by at most 10 m and 5 %: the bound that is stated",
        arguments: UInt64(1)...60)
    func errorIsBounded(seed: UInt64) throws {
        var chance = SleepYearTests.Chance(state: seed)
        let scale = UsageScale.milliCPU
        let count = Int.random(in: 1...3000, using: &chance)
        let size = pow(10, Double.random(in: 0...5, using: &chance))
        let samples = (0..<count).map { _ in
            // Even, heavy-tailed, and in two heaps.
            switch seed % 3 {
            case 0: Double.random(in: 0...size, using: &chance)
            case 1: min(900_000, size * pow(1 / Double.random(in: 0.0001...1, using: &chance), 0.7))
            default: Bool.random(using: &chance) ? size : size / 7 + Double.random(in: 0...1, using: &chance)
            }
        }
        var days = Array(repeating: UsageHistogram(), count: 7)
        for (index, sample) in samples.enumerated() { days[index % 7].add(sample, scale: scale) }
        var week = UsageHistogram()
        for day in days.shuffled(using: &chance) { week.merge(day) }
        #expect(week.total == count)
        let sorted = samples.sorted()
        for share in [0.01, 0.5, 0.9, 0.95, 0.99, 1] {
            let exact = sorted[min(count, max(1, Int((share * Double(count)).rounded(.up)))) - 1]
            let read = try #require(week.quantile(share, scale: scale))
            #expect(read > exact - 1e-9, "seed \(seed): \(read) for \(exact)")
            #expect(read - exact <= scale.errorMax(at: exact) + 1e-6, "seed \(seed): \(read) for \(exact)")
        }
    }

    @Test("the window is exact: days that are over drop out, gaps of the sampler show, sleep does not")
    func window() {
        let now = Date(timeIntervalSince1970: 20_000.5 * 86_400)
        func day(_ number: Int, memory: Int64, from start: Double? = nil) -> UsageDay {
            var cpu = UsageHistogram()
            for _ in 0..<100 { cpu.add(Double(number - 19_980), scale: .milliCPU) }
            let first = start ?? Double(number) * 86_400
            return UsageDay(
                day: number, cpu: cpu, memoryMax: Bytes(rawValue: memory), minutes: 100,
                firstAt: Date(timeIntervalSince1970: first), lastAt: Date(timeIntervalSince1970: first + 6000))
        }
        let days = [day(19_993, memory: 900), day(19_994, memory: 5), day(20_000, memory: 7), day(20_001, memory: 999)]
        let full = Dictionary(uniqueKeysWithValues: (19_990...20_000).map { ($0, $0 == 20_000 ? 720 : 1440) })
        let window = UsageWindow(days, sampled: full, length: 7, now: now)
        #expect(window.samples == 200 && window.memoryMax == 7)
        #expect(abs(window.age - 6.5 * 86_400) < 1 && window.coverage == 1)
        let gap = UsageWindow(days, sampled: full.filter { $0.key != 19_996 }, length: 7, now: now)
        #expect(abs(gap.coverage - (1 - 1440 / (6.5 * 1440))) < 1e-9)
        #expect(UsageWindow([], sampled: full, length: 7, now: now).samples == 0)
    }

    @Test(
        "owners are told from what controllers wrote on their pods",
        arguments: [
            ("api-6d4cf56db6-x2x9z", ["pod-template-hash": "6d4cf56db6"], "Deployment/api"),
            ("a-b-6d4cf56db6-x2x9z", ["pod-template-hash": "6d4cf56db6"], "Deployment/a-b"),
            (
                "db-0", ["statefulset.kubernetes.io/pod-name": "db-0", "controller-revision-hash": "db-7"],
                "StatefulSet/db"
            ),
            ("proxy-abcde", ["controller-revision-hash": "5", "pod-template-generation": "1"], "DaemonSet/proxy"),
            ("report-28934150-abcde", ["batch.kubernetes.io/job-name": "report-28934150"], "CronJob/report"),
            ("once-abcde", ["batch.kubernetes.io/job-name": "once"], "Job/once"), ("bare", [:], nil),
            ("odd", ["pod-template-hash": "x"], nil),
        ] as [(String, [String: String], String?)])
    func owners(pod: String, labels: [String: String], wanted: String?) {
        #expect(PodOwner(pod: pod, labels: labels).map { "\($0.kind)/\($0.name)" } == wanted)
    }
}
