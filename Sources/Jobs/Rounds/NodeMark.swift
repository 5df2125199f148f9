import Infrastructure

/// What we set on a node that is going, and how exactly that is undone. Pure.
public enum NodeMark {
    /// Whose mark it is: the effect key.
    public static let byAnnotation = "cloudoptim.io/by"
    /// Which of the parts below we set, and did not find set: only these are ever undone.
    public static let setAnnotation = "cloudoptim.io/set"
    /// The key of our taint.
    public static let taintKey = "cloudoptim.io/going"
    /// Takes a node out of load balancers before its pods go (prevents 5xx; aws-node-termination-handler #316).
    public static let balancerLabel = "node.kubernetes.io/exclude-from-external-load-balancers"

    private enum Part: String, CaseIterable {
        case unschedulable, taint, label
    }

    /// Our taint.
    public static func taint(_ value: String) -> Taint { Taint(key: taintKey, value: value, effect: "NoSchedule") }

    /// The change that marks a node; nil: it bears this very mark already.
    public static func mark(_ node: Node, by key: String, taintValue: String) -> NodePatch? {
        let ours = taint(taintValue)
        if node.annotations[byAnnotation] == key, node.isUnschedulable, node.taints.contains(ours) { return nil }
        var parts = Set((node.annotations[setAnnotation] ?? "").split(separator: ",").map(String.init))
        if !node.isUnschedulable { parts.insert(Part.unschedulable.rawValue) }
        if node.labels[balancerLabel] == nil { parts.insert(Part.label.rawValue) }
        parts.insert(Part.taint.rawValue)
        return NodePatch(
            node: NodeReference(name: node.name, uid: node.uid), resourceVersion: node.resourceVersion,
            isUnschedulable: true, taints: node.taints.filter { $0.key != taintKey } + [ours],
            labels: node.labels[balancerLabel] == nil ? [balancerLabel: "true"] : [:],
            annotations: [byAnnotation: key, setAnnotation: parts.sorted().joined(separator: ",")])
    }

    /// The change that takes our marks off, and nothing else; nil: it bears none.
    public static func unmark(_ node: Node) -> NodePatch? {
        guard node.annotations[byAnnotation] != nil else { return nil }
        let parts = Set((node.annotations[setAnnotation] ?? "").split(separator: ",").map(String.init))
        let taints = node.taints.filter { $0.key != taintKey }
        let hasLabel = parts.contains(Part.label.rawValue) && node.labels[balancerLabel] == "true"
        return NodePatch(
            node: NodeReference(name: node.name, uid: node.uid), resourceVersion: node.resourceVersion,
            isUnschedulable: parts.contains(Part.unschedulable.rawValue) && node.isUnschedulable ? false : nil,
            taints: taints == node.taints ? nil : taints, labels: hasLabel ? [balancerLabel: nil] : [:],
            annotations: [byAnnotation: nil, setAnnotation: nil])
    }
}
