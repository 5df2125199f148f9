import Foundation
import Infrastructure
import JobQueue
import Testing

@testable import Jobs

@Suite("What a drain does next")
struct DrainRulesTests {
    static let node = Node(name: "node-1", uid: "uid-1", resourceVersion: "1", instance: Scene.instance)

    func seen(
        after seconds: Double = 0, pods: [Pod], reports: [ActionReport] = [], memory: DrainNode.Memory? = nil,
        node: Node? = DrainRulesTests.node, instance: Instance? = nil, isInstanceKnown: Bool = false,
        kind: InterruptionKind = .spotWarning, lifecycle: LifecycleAction? = nil
    ) -> DrainNode.Observation {
        var cordoned = DrainNode.Memory()
        cordoned.isCordoned = true
        return DrainNode.Observation(
            now: Scene.start.addingTimeInterval(seconds), cluster: "prod",
            interruption: Interruption(
                cluster: "prod", instance: Scene.instance, kind: kind, eventAt: Scene.start,
                deadline: Scene.start.addingTimeInterval(120), lifecycle: lifecycle), node: node, pods: pods,
            instance: instance, isInstanceKnown: isInstanceKnown, reports: reports, memory: memory ?? cordoned)
    }

    func decide(_ seen: DrainNode.Observation) throws -> Decision { try DrainRules(seen).decided().validated() }

    func keys(_ decision: Decision) -> [String] { decision.actions.map(\.key) }

    func asked(_ name: String, _ asked: DrainNode.Memory.Asked) -> DrainNode.Memory {
        var memory = DrainNode.Memory()
        memory.isCordoned = true
        memory.asked["u-\(name)"] = asked
        return memory
    }

    @Test("the first round cordons, and evicts everything after the cordon")
    func first() throws {
        let decision = try decide(seen(pods: [Scene.pod("a"), Scene.pod("b")], memory: DrainNode.Memory()))
        #expect(keys(decision) == ["cordon/prod/uid-1", "tell/prod/uid-1", "evict/prod/u-a", "evict/prod/u-b"])
        #expect(decision.actions.suffix(2).allSatisfy { $0.after == "cordon/prod/uid-1" })
    }

    @Test(
        "pods that need not or cannot leave are left alone",
        arguments: [
            Scene.pod("daemon", owner: "DaemonSet"), Scene.pod("static", owner: "Node", isMirror: true),
            Scene.pod("ended", phase: .succeeded), Scene.pod("failed", phase: .failed),
            Scene.pod("tolerant", tolerations: [Toleration(operator: "Exists")]),
            Scene.pod(
                "ours", tolerations: [Toleration(key: NodeMark.taintKey, operator: "Exists", effect: "NoSchedule")]),
        ])
    func leftAlone(pod: Pod) throws {
        let decision = try decide(seen(pods: [pod, Scene.pod("a")]))
        #expect(keys(decision) == ["evict/prod/u-a"])
    }

    @Test("its progress is the pods that have left, of all that had to")
    func progress() throws {
        var memory = asked("gone", .init(tries: 1))
        memory.asked["u-a"] = .init(tries: 1)
        let first = try decide(seen(pods: [Scene.pod("a"), Scene.pod("b")], memory: memory))
        #expect(first.progress == JobProgress(done: 1, total: 3, note: "pods leave"))
        let last = try decide(seen(pods: [], memory: memory, isInstanceKnown: true))
        #expect(last.progress == JobProgress(done: 2, total: 2, note: "empty: waits for the end of its instance"))
    }

    @Test("critical pods wait until every other was asked, and no longer")
    func tiers() throws {
        let pods = [Scene.pod("dns", priority: "system-cluster-critical"), Scene.pod("a")]
        #expect(keys(try decide(seen(pods: pods))) == ["evict/prod/u-a"])
        let blocked = asked("a", .init(tries: 1, notBefore: Int64((Scene.start.timeIntervalSince1970 + 5) * 1000)))
        #expect(keys(try decide(seen(after: 1, pods: pods, memory: blocked))) == ["evict/prod/u-dns"])
        #expect(keys(try decide(seen(after: 95, pods: pods))).sorted() == ["evict/prod/u-a", "evict/prod/u-dns"])
    }

    @Test(
        "a blocked eviction is tried again with a doubling pause of 100 ms to 10 s",
        arguments: [(0, 100), (1, 200), (3, 800), (6, 6_400), (7, 10_000), (30, 10_000)])
    func backOff(tries: Int, milliseconds: Int64) throws {
        let report = ActionReport(key: "evict/prod/u-a", .blocked)
        let decision = try decide(
            seen(pods: [Scene.pod("a", grace: 5)], reports: [report], memory: asked("a", .init(tries: tries))))
        let memory = try #require(try decision.memory?.decode(DrainNode.Memory.self))
        #expect(memory.asked["u-a"]?.notBefore == Int64(Scene.start.timeIntervalSince1970 * 1000) + milliseconds)
        #expect(decision.actions.isEmpty)
        #expect(decision.next == .again(afterMilliseconds: min(2_000, milliseconds)))
    }

    @Test(
        "a budget is respected until the pod's grace no longer fits; then the pod is deleted with the rest, never with 0",
        arguments: [
            (89.0, 30, nil), (90.0, 30, 30), (100.0, 30, 20), (119.5, 30, 1), (120.0, 30, 1), (200.0, 30, 1),
            (0.0, 600, 120),
        ] as [(Double, Int64, Int64?)])
    func forcePoint(seconds: Double, grace: Int64, expected: Int64?) throws {
        let decision = try decide(
            seen(after: seconds, pods: [Scene.pod("a", grace: grace)], memory: asked("a", .init(tries: 3))))
        let deleted = decision.actions.compactMap { action -> Int64? in
            if case .deletePod(_, let grace) = action.verb { grace } else { nil }
        }
        #expect(deleted == (expected.map { [$0] } ?? []))
        if expected == nil { #expect(keys(decision) == ["evict/prod/u-a"]) }
    }

    @Test("a pod with more grace than time is first evicted, with the time that is left")
    func longGrace() throws {
        let decision = try decide(seen(after: 10, pods: [Scene.pod("a", grace: 600)]))
        #expect(decision.actions.map(\.verb) == [.evict(pod: Scene.pod("a").reference, graceSeconds: 110)])
    }

    @Test("an eviction that two budgets make impossible waits for the force point")
    func impossible() throws {
        let report = ActionReport(key: "evict/prod/u-a", .impossible)
        let pods = [Scene.pod("a")]
        let first = try decide(seen(after: 1, pods: pods, reports: [report]))
        #expect(first.actions.isEmpty)
        let memory = try #require(try first.memory?.decode(DrainNode.Memory.self))
        #expect(try decide(seen(after: 60, pods: pods, memory: memory)).actions.isEmpty)
        #expect(keys(try decide(seen(after: 91, pods: pods, memory: memory))) == ["delete/prod/u-a"])
    }

    @Test("a pod on its way out is waited for, and hurried only if it would outlive its node")
    func terminating() throws {
        let soon = Scene.pod("a", deletedBy: Scene.start.addingTimeInterval(30))
        #expect(try decide(seen(pods: [soon])).actions.isEmpty)
        let late = Scene.pod("a", grace: 600, deletedBy: Scene.start.addingTimeInterval(600))
        #expect(
            try decide(seen(after: 20, pods: [late])).actions.map(\.verb)
                == [.deletePod(pod: late.reference, graceSeconds: 100)])
    }

    @Test("a cordon that is refused is a finding, and the drain goes on")
    func cordonRefused() throws {
        let report = ActionReport(key: "cordon/prod/uid-1", .refused, code: "Forbidden", message: "no")
        let decision = try decide(seen(pods: [Scene.pod("a")], reports: [report], memory: DrainNode.Memory()))
        #expect(decision.findings.map(\.code) == ["cordon-refused"])
        #expect(keys(decision) == ["evict/prod/u-a"])
        #expect(decision.actions.first?.after == nil)
    }

    @Test("an empty node is drained: its object is deleted once its instance has ended, and then all is closed")
    func finish() throws {
        let waiting = try decide(
            seen(after: 40, pods: [], instance: Scene.spot(.running), isInstanceKnown: true))
        #expect(waiting.actions.isEmpty)
        #expect(
            waiting.facts.contains {
                if case .interruptionProgress(let step) = $0 { step.drainedAt != nil } else { false }
            })
        let memory = try #require(try waiting.memory?.decode(DrainNode.Memory.self))
        let ended = try decide(
            seen(after: 125, pods: [], memory: memory, instance: Scene.spot(.terminated), isInstanceKnown: true))
        #expect(keys(ended) == ["delete-node/prod/uid-1"])
        let closed = try decide(
            seen(
                after: 126, pods: [], reports: [ActionReport(key: "delete-node/prod/uid-1", .done)],
                memory: try ended.memory?.decode(), instance: nil, isInstanceKnown: true))
        #expect(closed.next == .done)
        #expect(
            closed.facts.contains {
                if case .interruptionProgress(let step) = $0 { step.closedAt != nil } else { false }
            })
    }

    @Test("without EC2's answer the node object is not deleted")
    func unknownInstance() throws {
        let decision = try decide(seen(after: 125, pods: [], instance: nil, isInstanceKnown: false))
        #expect(decision.actions.isEmpty)
        #expect(decision.next == .again(afterMilliseconds: 5_000))
    }

    @Test("an Auto Scaling group is told to go on when the node is drained")
    func lifecycle() throws {
        let action = LifecycleAction(group: "web", hook: "drain", token: "t", instance: Scene.instance)
        let decision = try decide(seen(pods: [], kind: .lifecycle, lifecycle: action))
        #expect(decision.actions.map(\.verb) == [.completeLifecycleAction(action: action)])
    }

    @Test("an Auto Scaling group is asked to wait, at once and every 25 s, until the drain or its time is over")
    func heartbeat() throws {
        let action = LifecycleAction(group: "web", hook: "drain", token: "t", instance: Scene.instance)
        func verbs(after seconds: Double, _ memory: DrainNode.Memory?) throws -> (DrainNode.Memory, [String]) {
            let decision = try decide(
                seen(
                    after: seconds, pods: [Scene.pod("a", grace: 5)], memory: memory, kind: .lifecycle,
                    lifecycle: action))
            return (
                try #require(decision.memory).decode(DrainNode.Memory.self),
                keys(decision).filter { $0.hasPrefix("heartbeat/") }
            )
        }
        let (first, now) = try verbs(after: 0, nil)
        #expect(now == ["heartbeat/prod/\(Scene.instance)/1"])
        let (second, soon) = try verbs(after: 24, first)
        #expect(soon.isEmpty)
        let (third, later) = try verbs(after: 26, second)
        #expect(later == ["heartbeat/prod/\(Scene.instance)/2"])
        #expect(try verbs(after: 121, third).1.isEmpty)
    }

    @Test("an instance that outlives its deadline by ten minutes has its node given back")
    func didNotHappen() throws {
        let decision = try decide(seen(after: 721, pods: [], instance: Scene.spot(.running), isInstanceKnown: true))
        #expect(decision.findings.map(\.code) == ["interruption-did-not-happen"])
        #expect(decision.next == .stop(reason: "the instance did not go"))
    }

    @Test("a node that is gone is drained")
    func gone() throws {
        let decision = try decide(seen(pods: [], node: nil))
        #expect(decision.next == .done && decision.actions.isEmpty)
    }
}

extension Scene {
    static func spot(_ state: InstanceState) -> Instance {
        Instance(id: instance, state: state, type: "m5.xlarge", zone: "us-east-1a", capacity: .spot)
    }
}
