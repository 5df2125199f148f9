/// Which objects with a selector (budgets, services) select which pods, kept both ways as either side changes.
struct SelectorIndex {
    private var selectors: [ObjectKey: LabelSelector] = [:]
    private var byNamespace: [String: Set<ObjectKey>] = [:]
    private var members: [ObjectKey: Set<ObjectKey>] = [:]
    private var selecting: [ObjectKey: Set<ObjectKey>] = [:]

    /// - Parameters:
    ///   - selector: nil selects nothing, and forgets the object.
    ///   - pods: all pods of its namespace with their labels.
    mutating func set(_ key: ObjectKey, selector: LabelSelector?, pods: [(key: ObjectKey, labels: [String: String])]) {
        for pod in members.removeValue(forKey: key) ?? [] { selecting[pod]?.remove(key) }
        selectors[key] = selector
        guard let selector else {
            byNamespace[key.namespace]?.remove(key)
            return
        }
        byNamespace[key.namespace, default: []].insert(key)
        let chosen = pods.filter { selector.matches($0.labels) }.map(\.key)
        members[key] = Set(chosen)
        for pod in chosen { selecting[pod, default: []].insert(key) }
    }

    /// - Parameter labels: nil when the pod is gone.
    /// - Returns: the objects that selected it before or do so now.
    mutating func podChanged(_ pod: ObjectKey, labels: [String: String]?) -> Set<ObjectKey> {
        let before = selecting[pod] ?? []
        var after: Set<ObjectKey> = []
        if let labels {
            after = (byNamespace[pod.namespace] ?? []).filter { selectors[$0]?.matches(labels) == true }
        }
        for key in before.subtracting(after) { members[key]?.remove(pod) }
        for key in after.subtracting(before) { members[key, default: []].insert(pod) }
        selecting[pod] = after.isEmpty ? nil : after
        return before.union(after)
    }

    func pods(selectedBy key: ObjectKey) -> Set<ObjectKey> { members[key] ?? [] }

    func objects(selecting pod: ObjectKey) -> Set<ObjectKey> { selecting[pod] ?? [] }
}
