import Foundation

/// The owner that people write, told from a pod's name and the labels that its controller gave it: what a list of metrics
/// has.
public struct PodOwner: Hashable, Sendable {
    /// `Deployment`, `StatefulSet`, `DaemonSet`, `CronJob` or `Job`.
    public var kind: String
    /// Its name.
    public var name: String

    /// Tells the owner; nil: the labels name no controller of these kinds.
    public init?(pod: String, labels: [String: String]) {
        if let hash = labels["pod-template-hash"], let name = PodOwner.before("-\(hash)-", in: pod) {
            self.init(kind: "Deployment", name: name)
        } else if labels["statefulset.kubernetes.io/pod-name"] != nil, let name = PodOwner.beforeLastDash(pod) {
            self.init(kind: "StatefulSet", name: name)
        } else if labels["pod-template-generation"] != nil || labels["controller-revision-hash"] != nil,
            let name = PodOwner.beforeLastDash(pod)
        {
            self.init(kind: "DaemonSet", name: name)
        } else if let job = labels["batch.kubernetes.io/job-name"] {
            // A CronJob names its jobs by the minute they are due.
            if let name = PodOwner.beforeLastDash(job), job.dropFirst(name.count + 1).count >= 8,
                job.dropFirst(name.count + 1).allSatisfy({ $0.isASCII && $0.isNumber })
            {
                self.init(kind: "CronJob", name: name)
            } else {
                self.init(kind: "Job", name: job)
            }
        } else {
            return nil
        }
    }

    private init(kind: String, name: String) {
        self.kind = kind
        self.name = name
    }

    private static func before(_ infix: String, in text: String) -> String? {
        text.range(of: infix, options: .backwards).map { String(text[..<$0.lowerBound]) }
            .flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func beforeLastDash(_ text: String) -> String? {
        text.lastIndex(of: "-").map { String(text[..<$0]) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}
