import Foundation
import Testing

@testable import Demo

@Suite("The demo's judge")
struct JudgeTests {
    @Test("A run in which everything held passes every check")
    func passes() {
        let judge = Judge(.good)
        #expect(judge.checks.filter { !$0.ok }.map(\.name) == [])
        #expect(judge.nodesLate == 0)
        #expect(judge.effectsDoubled == 0)
        #expect(judge.jobsLost == [])
        #expect(judge.cordonMilliseconds == [800, 900])
    }

    struct Fault: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var check: String
        var spoil: @Sendable (inout Evidence) -> Void

        init(_ name: String, _ check: String, _ spoil: @escaping @Sendable (inout Evidence) -> Void) {
            testDescription = name
            self.check = check
            self.spoil = spoil
        }
    }

    static let faults: [Fault] = [
        Fault("a cordon after 10 s", "cordoned within") { $0.state.nodes[0].cordonedAt = .after(10.1) },
        Fault("no cordon", "cordoned within") { $0.state.nodes[1].cordonedAt = nil },
        Fault("nobody warned", "cordoned within") { $0.warned = [] },
        Fault("a drain past the deadline", "drained before") { $0.state.nodes[0].drainedAt = .after(121) },
        Fault("no drain", "drained before") { $0.state.nodes[0].drainedAt = nil },
        Fault("a pod that died with its node", "drained before") {
            $0.state.nodes[0].abruptPodDeaths = [.init(pod: "shop/a", cause: "terminated")]
        },
        Fault("a warned node that nobody knows", "drained before") { $0.state.nodes.removeFirst() },
        Fault("a broken budget", "budget") {
            $0.state.pdbViolations = [.init(budget: "shop/a", pod: "shop/a-1", verb: "evict")]
        },
        Fault("a missing replacement", "exactly one") { $0.replacements.removeLast() },
        Fault("two replacements for one node", "exactly one") { evidence in
            evidence.replacements.append(evidence.replacements[0])
        },
        Fault("two replacements for one node", "doubled") { evidence in
            evidence.replacements.append(evidence.replacements[0])
        },
        Fault("a replacement that did not join", "exactly one") { $0.replacements[0].id = "i-lost" },
        Fault("two instances for one token", "doubled") {
            $0.state.launchesByToken["t1"] = .init(instanceIDs: ["i-3", "i-5"], replays: 0)
        },
        Fault("a pod removed twice", "doubled") { evidence in
            evidence.state.nodes[0].removals.append(evidence.state.nodes[0].removals[0])
        },
        Fault("a job that vanished", "job lost") { $0.jobsSeen["gone"] = "notify" },
        Fault("a job that is named and nowhere", "job lost") { $0.unaccounted = ["gone"] },
        Fault("a dead job", "job lost") { $0.jobs[0].state = "dead" },
        Fault("a job that does not end", "job lost") { $0.jobs[0].state = "running" },
        Fault("a drain that was never enqueued", "job lost") { $0.jobs.removeAll { $0.id == "d2" } },
        Fault("two drains for one instance", "job lost") { evidence in
            evidence.jobs.append(evidence.jobs[0])
        },
        Fault("a job of the load that did not end", "job lost") { $0.load.ended -= 1 },
        Fault("a schedule that stands still", "job lost") { $0.lateSchedules = ["poll-sqs/q"] },
        Fault("nobody killed", "killed") { $0.kill = nil },
        Fault("a kill before the drain began", "killed") { $0.kill?.asked = 0 },
        Fault("a killed worker's job that it ended itself", "killed") { $0.kill?.fence = 2 },
        Fault("no flush", "flushed") { $0.idsFlushed = nil },
        Fault("a bystander that was cordoned", "strangers") { $0.state.nodes[2].cordonedAt = .after(1) },
        Fault("a stranger that was replaced", "strangers") {
            $0.replacements[0].tags[Judge.replacesTag] = "i-stranger"
        },
        Fault("a message left in the queue", "strangers") { $0.messagesLeft = 1 },
        Fault("more than three minutes", "three minutes") { $0.seconds = 181 },
    ]

    @Test("A run with a fault fails the check of that fault", arguments: faults)
    func fails(_ fault: Fault) throws {
        var evidence = Evidence.good
        fault.spoil(&evidence)
        let failed = Judge(evidence).checks.filter { !$0.ok }.map(\.name)
        #expect(failed.contains { $0.contains(fault.check) }, "failed: \(failed)")
        #expect(!Report(Judge(evidence), life: [], seed: 1, seconds: 1).isPass)
    }

    @Test("A schedule's look that found nothing and its current job are not lost")
    func looksAreNotLost() {
        var evidence = Evidence.good
        evidence.jobsSeen["look"] = "poll-sqs"
        evidence.jobs.append(
            .init(
                id: "now", kind: "poll-sqs", instance: nil, state: "running", fence: 1, worker: "worker-1", round: nil))
        #expect(Judge(evidence).jobsLost == [])
    }

    @Test("Percentiles are by nearest rank", arguments: [(0.5, 2), (0.99, 4), (0.25, 1), (0.0, 1)])
    func percentiles(part: Double, expected: Int) {
        #expect(Judge.percentile(part, of: [1, 2, 3, 4]) == expected)
        #expect(Judge.percentile(part, of: []) == nil)
    }
}

extension Date {
    /// Seconds after the warning.
    static func after(_ seconds: Double) -> Date { Date(timeIntervalSince1970: 1_790_000_000 + seconds) }
}

extension Evidence {
    /// Two nodes warned, drained and replaced; a third one untouched.
    static var good: Evidence {
        func node(_ name: String, _ id: String, cordon: Double?) -> WorldState.Node {
            WorldState.Node(
                node: name, instanceID: id, instanceType: "m5.xlarge", zone: "us-east-1a", capacityType: "spot",
                joinedAt: .after(-60), cordonedAt: cordon.map { .after($0) }, drainedAt: cordon.map { .after($0 + 9) },
                interruptedAt: cordon.map { _ in .after(0) }, deadline: cordon.map { _ in .after(120) },
                podsAtInterruption: 1,
                removals: cordon.map { [.init(pod: "shop/\(name)", at: .after($0), verb: "evict")] } ?? [],
                abruptPodDeaths: [])
        }
        func replacement(_ id: String, of old: String) -> FarSide.Instance {
            FarSide.Instance(
                id: id, type: "m5.xlarge", zone: "us-east-1b", isSpot: true, state: "running",
                tags: [Judge.replacesTag: old])
        }
        func job(_ id: String, _ kind: String, _ instance: String, fence: Int = 1) -> LedgerWindow.Job {
            LedgerWindow.Job(
                id: id, kind: kind, instance: instance, state: "done", fence: fence, worker: "worker-3", round: nil)
        }
        let jobs = [
            job("d1", "drain-node", "i-1", fence: 2), job("d2", "drain-node", "i-2"), job("r1", "replace-node", "i-1"),
            job("r2", "replace-node", "i-2"),
        ]
        return Evidence(
            warned: [("n1", "i-1"), ("n2", "i-2")].map {
                SentNotice(node: $0.0, instanceID: $0.1, eventID: "e", deadline: .after(120))
            },
            strangers: ["i-stranger"],
            state: WorldState(
                time: .after(140),
                nodes: [
                    node("n1", "i-1", cordon: 0.8), node("n2", "i-2", cordon: 0.9),
                    node("bystander", "i-9", cordon: nil),
                    node("n3", "i-3", cordon: nil), node("n4", "i-4", cordon: nil),
                ],
                pdbViolations: [],
                launchesByToken: [
                    "t1": .init(instanceIDs: ["i-3"], replays: 1), "t2": .init(instanceIDs: ["i-4"], replays: 0),
                ], clusters: []),
            calls: [], replacements: [replacement("i-3", of: "i-1"), replacement("i-4", of: "i-2")], messagesLeft: 0,
            jobs: jobs, jobsSeen: Dictionary(uniqueKeysWithValues: jobs.map { ($0.id, $0.kind) }),
            unaccounted: [],
            scheduledKinds: ["poll-sqs"], lateSchedules: [],
            kill: .init(worker: "worker-2", job: "d1", fence: 1, asked: 4, pods: 6), idsFlushed: 900,
            loadEnqueued: 10, load: .init(ended: 10, other: 0), seconds: 60)
    }
}
