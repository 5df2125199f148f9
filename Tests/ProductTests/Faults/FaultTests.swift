import Foundation
import Infrastructure
import JobQueue
import TestSupport
import Testing

@testable import Jobs

@Suite("A fault in any far call of any job")
struct FaultTests {
    /// Faulted runs at a time: most of them only wait for a retry.
    private static let sideBySide = 8

    @Test("every kind of the catalog has a scenario")
    func complete() {
        let missing = Set(JobCatalog.all.kinds).subtracting(FaultScenario.all.map(\.kind))
        #expect(
            missing.isEmpty,
            """
            add a scenario to FaultScenario.all (Tests/ProductTests/Faults/FaultScenarios.swift) for \(missing.sorted()): \
            a world in which the job has something to do, and the request that enqueues it
            """)
    }

    @Test(
        "whichever call fails, is lost, hangs, or costs the worker its life: the world ends as it would have",
        arguments: FaultScenario.all)
    func converges(scenario: FaultScenario) async throws {
        let specs = Dictionary(uniqueKeysWithValues: try JobspecTests.specs().map { ($0.kind, $0) })
        let clean = try await FaultRig.run(scenario, specs)
        // A run that takes longer may make a call more: only calls that come each time can be struck.
        let second = try await FaultRig.run(scenario, specs)
        #expect(second.end == clean.end)
        let calls = clean.plan.calls.filter(Set(second.plan.calls).contains)
        #expect(calls.contains { !$0.name.hasPrefix("ledger.") } || scenario.callsNobody, "it calls nobody")
        #expect(calls.contains(CountedCall(name: "ledger.settle", number: 1)))
        #expect(!clean.end.contains { $0.hasPrefix("ledger:") || $0.hasPrefix("job ") }, "\(clean.end)")
        let faults = calls.flatMap { call in FaultWay.allCases.map { (call: call, way: $0) } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            var upcoming = faults.makeIterator()
            for _ in 0..<FaultTests.sideBySide {
                guard let fault = upcoming.next() else { break }
                group.addTask { try await judge(scenario, specs, fault, clean.end) }
            }
            while try await group.next() != nil {
                guard let fault = upcoming.next() else { continue }
                group.addTask { try await judge(scenario, specs, fault, clean.end) }
            }
        }
    }

    @Test(
        "a guard that is left out is noticed",
        arguments: [
            (ReplaceNode.kind, FaultMutant.effectsForgotten), (Notify.kind, .effectsForgotten),
            (PollSQS.kind, .deletedOnReceipt),
        ])
    func mutants(kind: JobKind, mutant: FaultMutant) async throws {
        let specs = Dictionary(uniqueKeysWithValues: try JobspecTests.specs().map { ($0.kind, $0) })
        let scenario = try #require(FaultScenario.all.last { $0.kind == kind })
        let clean = try await FaultRig.run(scenario, specs, mutant: mutant)
        var noticed = 0
        for call in clean.plan.calls {
            for way in FaultWay.allCases {
                let run = try await FaultRig.run(scenario, specs, fault: (call, way), mutant: mutant)
                let more = FaultTests.beyond(run.end, clean.end)
                let missing = FaultTests.beyond(clean.end, run.end)
                if !(more.isEmpty && missing.isEmpty), !FaultTests.isParked(missing: missing, more: more) {
                    noticed += 1
                }
            }
        }
        #expect(noticed > 0)
    }

    private func judge(
        _ scenario: FaultScenario, _ specs: [JobKind: JobSpec], _ fault: (call: CountedCall, way: FaultWay),
        _ clean: [String]
    ) async throws {
        let label: Comment = "\(scenario): \(fault.call) \(fault.way.rawValue)"
        do {
            var run = try await FaultRig.run(scenario, specs, fault: fault)
            if !run.plan.hasStruck { run = try await FaultRig.run(scenario, specs, fault: fault) }
            #expect(run.plan.hasStruck || fault.call.number > 1, label)
            if run.end == clean { return }
            let missing = FaultTests.beyond(clean, run.end)
            let more = FaultTests.beyond(run.end, clean)
            if scenario.mayPark, FaultTests.isParked(missing: missing, more: more) { return }
            Issue.record("\(label)\n  missing: \(missing)\n  too much: \(more)")
        } catch {
            Issue.record("\(label): \(error)")
        }
    }

    /// The lines of `end` that `clean` does not have, or has less often.
    private static func beyond(_ end: [String], _ clean: [String]) -> [String] {
        var left = clean
        return end.filter { line in
            guard let place = left.firstIndex(of: line) else { return true }
            left.remove(at: place)
            return false
        }
    }

    /// The job waits for a person, and what may happen once happened at most once.
    private static func isParked(missing: [String], more: [String]) -> Bool {
        more.count == 1 && more[0].hasSuffix("dead: outcome unknown") && missing.allSatisfy { $0.hasPrefix("posted ") }
    }
}
