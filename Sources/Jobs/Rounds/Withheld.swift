import Infrastructure
import JobQueue

/// What is left behind instead of actions that may not be done now.
enum Withheld {
    /// Why.
    enum Cause: String {
        /// The mode in force is below `apply`.
        case mode = "Mode"
        /// The policy's windows are closed.
        case window = "Window"
        /// An hourly budget is used up.
        case budget = "Budget"
        /// No person approved exactly this.
        case approval = "Approval"
    }

    /// The most actions that a finding names one by one.
    static let namedMax = 10

    /// The cluster that a target names; nil: it names an account, or nothing.
    private static func ownCluster(_ target: String) -> ClusterID? {
        target.isEmpty || AccountTarget(target) != nil ? nil : ClusterID(rawValue: target)
    }

    /// Says what would have been done, and why it was not.
    static func finding(_ actions: [Action], because report: ActionReport, context: HandlerContext) -> Finding {
        let named = actions.prefix(namedMax).map { "\($0.verb.name) \($0.key): \($0.reason)" }.joined(separator: "; ")
        let more = actions.count > namedMax ? "; and \(actions.count - namedMax) more" : ""
        let savings = actions.compactMap(\.saving)
        return Finding(
            report.code == Cause.mode.rawValue ? "would-act" : "waits",
            cluster: actions.first?.cluster ?? ownCluster(context.job.target),
            subject: "\(context.job.kind)/\(actions.first?.key ?? "")", .info,
            "Not done, because \(report.message): \(named)\(more)",
            saving: savings.isEmpty ? nil : savings.reduce(.zero, +))
    }
}
