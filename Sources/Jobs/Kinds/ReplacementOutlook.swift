import Infrastructure

/// Which nodes would be replaced after an interruption, as far as it is known before one comes.
public struct ReplacementOutlook: Sendable, Equatable {
    /// Nodes for which an instance would be launched.
    public private(set) var replaceable = 0
    /// Nodes that would be drained and not replaced: no launch template is known for them.
    public private(set) var withoutTemplate = 0
    /// Nodes that are left to whoever owns them, by owner; `unknown` where nobody is known.
    public private(set) var left: [String: Int] = [:]

    /// Asks of each node what `replace-node` would ask.
    public init(nodes: [Node], instances: [Instance], registration: ClusterRegistration) {
        let byID = Dictionary(instances.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        for node in nodes {
            let instance = node.instance.flatMap { byID[$0] }
            let owner = ReplaceRules.owner(node: node, instance: instance, registration: registration)
            if !owner.mayReplace {
                left["\(owner)", default: 0] += 1
            } else if (registration.launch?.template ?? instance?.launchTemplate) == nil {
                withoutTemplate += 1
            } else {
                replaceable += 1
            }
        }
    }
}
