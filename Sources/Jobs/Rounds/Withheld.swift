import Infrastructure
import JobQueue

/// What a mode below `apply` leaves behind instead of actions.
enum Withheld {
    /// The most actions that a finding names one by one.
    static let namedMax = 10

    /// The cluster that a target names; nil: it names an account, or nothing.
    private static func ownCluster(_ target: String) -> ClusterID? {
        target.isEmpty || AccountTarget(target) != nil ? nil : ClusterID(rawValue: target)
    }

    /// Says what would have been done, and why it was not.
    static func finding(_ actions: [Action], because mode: String, context: HandlerContext) -> Finding {
        let named = actions.prefix(namedMax).map { "\($0.verb.name) \($0.key): \($0.reason)" }.joined(separator: "; ")
        let more = actions.count > namedMax ? "; and \(actions.count - namedMax) more" : ""
        return Finding(
            "would-act", cluster: actions.first?.cluster ?? ownCluster(context.job.target),
            subject: "\(context.job.kind)/\(actions.first?.key ?? "")", .info,
            "Not done, because the mode in force is \(mode): \(named)\(more)")
    }
}
