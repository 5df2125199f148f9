import Infrastructure
import Testing

@testable import Jobs

@Suite("Marks on nodes")
struct NodeMarkTests {
    func apply(_ patch: NodePatch, to node: Node) -> Node {
        var node = node
        if let value = patch.isUnschedulable { node.isUnschedulable = value }
        if let taints = patch.taints { node.taints = taints }
        for (key, value) in patch.labels { node.labels[key] = value }
        for (key, value) in patch.annotations { node.annotations[key] = value }
        return node
    }

    static let own = Taint(key: "dedicated", value: "gpu", effect: "NoSchedule")

    @Test(
        "what is marked and unmarked is as it was",
        arguments: [
            Node(name: "n", uid: "u"), Node(name: "n", uid: "u", taints: [own]),
            Node(name: "n", uid: "u", isUnschedulable: true),
            Node(name: "n", uid: "u", labels: [NodeMark.balancerLabel: "true", "app": "web"]),
        ])
    func roundTrip(node: Node) throws {
        let marked = apply(try #require(NodeMark.mark(node, by: "cordon/c/u", taintValue: "interruption")), to: node)
        #expect(marked.isUnschedulable && marked.taints.contains(NodeMark.taint("interruption")))
        #expect(marked.annotations[NodeMark.byAnnotation] == "cordon/c/u")
        #expect(NodeMark.mark(marked, by: "cordon/c/u", taintValue: "interruption") == nil)
        let restored = apply(try #require(NodeMark.unmark(marked)), to: marked)
        #expect(restored == node)
    }

    @Test("a change that a person made since stays")
    func human() throws {
        let node = Node(name: "n", uid: "u")
        var marked = apply(try #require(NodeMark.mark(node, by: "k", taintValue: "interruption")), to: node)
        marked.isUnschedulable = false
        marked.taints = [NodeMarkTests.own]
        let patch = try #require(NodeMark.unmark(marked))
        #expect(patch.isUnschedulable == nil && patch.taints == nil)
        #expect(apply(patch, to: marked).taints == [NodeMarkTests.own])
    }

    @Test("a node without our mark is never touched")
    func unmarked() { #expect(NodeMark.unmark(Node(name: "n", uid: "u", isUnschedulable: true)) == nil) }
}

@Suite("Who owns a node")
struct NodeOwnerTests {
    @Test(
        "labels and tags tell the owner, the strongest sign first",
        arguments: [
            (
                ["eks.amazonaws.com/nodegroup": "workers"], ["aws:autoscaling:groupName": "eks-x"],
                "managed-node-group/workers"
            ),
            ([:], ["aws:autoscaling:groupName": "web"], "autoscaling-group/web"),
            (["karpenter.sh/nodepool": "default"], [NodeOwner.ownTag: "prod"], "karpenter"),
            (["eks.amazonaws.com/compute-type": "fargate"], [:], "fargate"),
            (["eks.amazonaws.com/compute-type": "auto"], [:], "auto-mode"), ([:], [NodeOwner.ownTag: "prod"], "ours"),
            ([:], [NodeOwner.poolTag: "batch"], "ours"), ([:], [NodeOwner.ownTag: "other"], "unknown"),
            ([:], ["aws:ec2launchtemplate:id": "lt-1"], "ours"),
            ([:], [:], "unknown"),
        ] as [([String: String], [String: String], String)])
    func owners(labels: [String: String], tags: [String: String], expected: String) {
        let node = Node(name: "n", uid: "u", labels: labels)
        let instance = Instance(
            id: Scene.instance, state: .running, type: "m5.large", zone: "a", capacity: .spot, tags: tags)
        let owner = NodeOwner.of(node: node, instance: instance, cluster: "prod", ownTemplate: "lt-1")
        #expect(owner.description == expected)
        #expect(NodeOwner(owner.description) == owner)
    }

    @Test(
        "a node's instance is the last part of its provider id",
        arguments: [
            ("aws:///us-east-1a/i-08736224042c4ee75", "i-08736224042c4ee75"),
            ("aws:///us-east-1a/i-12345678", "i-12345678"),
            ("aws:///us-east-1a/abc/fargate-ip-10-0-0-1", nil), ("gce://p/z/i-12345678", nil), ("", nil),
            ("aws:///", nil),
            ("aws:///us-east-1a/i-XYZ45678", nil),
        ] as [(String, String?)])
    func providerID(text: String, expected: String?) {
        #expect(InstanceID(providerID: text)?.rawValue == expected)
    }
}
