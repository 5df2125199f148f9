import Foundation
import Infrastructure
import Optimizer
import Testing

@testable import Jobs

@Suite("How right the risk score was") struct RiskCalibrationTests {
    private func calibration(_ pairs: [(Double, Bool)]) -> RiskCalibration {
        RiskCalibration(pairs.map { RiskOutcome(score: $0.0, wasInterrupted: $0.1) })
    }

    @Test("the Brier score, the base rate's and the ranking are those of the textbook")
    func textbook() {
        let found = calibration([(0.9, true), (0.6, false), (0.3, false), (0.1, false)])
        #expect(found.predictions == 4 && found.baseRate == 0.25)
        // (0.01 + 0.36 + 0.09 + 0.01) / 4; 0.25 * 0.75.
        #expect(abs(found.brier - 0.1175) < 1e-12 && abs(found.brierOfBaseRate - 0.1875) < 1e-12)
        #expect(found.ranking == 1)
        #expect(calibration([(0.1, true), (0.9, false)]).ranking == 0)
        #expect(calibration([(0.4, true), (0.4, false), (0.4, false)]).ranking == 0.5)
        #expect(calibration([(0.2, true), (0.8, true)]).ranking == nil)
    }

    @Test("bands hold every prediction once, 0 and 1 among them; none at all is no division by zero")
    func bands() {
        let found = calibration([(0, false), (0.2, true), (0.39, false), (1, true)])
        #expect(found.bands.map(\.predictions) == [1, 2, 1])
        #expect(found.bands.map(\.rate) == [0, 0.5, 1])
        #expect(found.bands.last?.to == 1)
        let none = calibration([])
        #expect(none.predictions == 0 && none.brier == 0 && none.bands.isEmpty && none.ranking == nil)
    }

    @Test("each spot pool in use is predicted once a day, what is gone or on demand is not")
    func predicts() throws {
        let now = Date(timeIntervalSince1970: 1_800_000_000)
        func life(_ id: InstanceID, _ type: String?, _ capacity: CapacityType, seen: Double) -> NodeLife {
            NodeLife(
                instance: id, type: type, zone: "us-east-1a", capacity: capacity, firstSeen: now - 90_000,
                lastSeen: now - seen)
        }
        let decision = try MeasureSavings(.init()).decide(
            .init(
                now: now, region: "us-east-1", account: "123456789012", savings: [],
                lives: [
                    life("i-1", "m5.large", .spot, seen: 60), life("i-2", "m5.large", .spot, seen: 120),
                    life("i-3", "c5.large", .spot, seen: 7200), life("i-4", "r5.large", .onDemand, seen: 60),
                    life("i-5", nil, .spot, seen: 60),
                ], prices: [], onDemand: [:], advice: [:], incidents: []))
        let found = decision.facts.compactMap { if case .riskPrediction(let item) = $0 { item } else { nil } }
        #expect(found.map(\.pool.type) == ["m5.large"])
        #expect(found.allSatisfy { (0...1).contains($0.score) && $0.at == now })
        #expect(!decision.isEmpty)
    }
}
