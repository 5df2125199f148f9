import Foundation

/// What the pods of an app need in memory: with less as their limit they are killed.
struct MemoryNeed: Sendable {
    /// Killed while the limit is below this.
    var bytes = 0
    /// Seconds from a container's start to its kill.
    var seconds = 30.0
    /// In place of both: it takes so many bytes more each second, and is killed when the limit is reached.
    var leakBytesPerSecond = 0.0

    /// Seconds from the start to the kill under a limit; nil: it is not killed.
    func lifetime(limit: Int) -> Double? {
        if leakBytesPerSecond > 0 { return Double(limit) / leakBytesPerSecond }
        return limit < bytes ? seconds : nil
    }
}

/// Containers that run out of memory, as the kubelet tells it.
extension ClusterState {
    /// Sets what the pods labelled `app` of a namespace need, from now on.
    /// - Returns: how many pods there are.
    func setMemoryNeed(_ need: MemoryNeed?, namespace: String, app: String) -> Int {
        memoryNeeds[ObjectKey(namespace: namespace, name: app)] = need
        let found = pods.values.filter { $0.key.namespace == namespace && $0.labels["app"] == app }
        for pod in found.sorted(by: { $0.key < $1.key }) { scheduleMemoryKill(pod) }
        return found.count
    }

    /// For a pod that has just started.
    func scheduleMemoryKill(_ pod: PodFacts) {
        guard let need = need(pod), let limit = memoryLimit(pod), let seconds = need.lifetime(limit: limit),
            pod.phase == "Running"
        else { return }
        timeline.schedule(after: seconds, .memoryIsExceeded(cluster: name, key: pod.key, uid: pod.uid))
    }

    private func need(_ pod: PodFacts) -> MemoryNeed? {
        memoryNeeds[ObjectKey(namespace: pod.key.namespace, name: pod.labels["app"] ?? "")]
    }

    private func memoryLimit(_ pod: PodFacts) -> Int? {
        let limit = object(.pods, pod.key)?.value["spec"]["containers"].array.first?["resources"]["limits"]["memory"]
        return limit.flatMap { $0.isNull ? nil : Quantity.whole($0) }
    }

    private func startOfFirstContainer(_ key: ObjectKey) -> Date {
        let status = object(.pods, key)?.value["status"]["containerStatuses"].array.first
        return status?["state"]["running"]["startedAt"].string.flatMap(Timestamp.parse) ?? .distantPast
    }

    /// The kernel kills the container, the kubelet starts it again.
    func killForMemory(_ key: ObjectKey, uid: String) {
        guard let pod = pods[key], pod.uid == uid, !pod.isTerminating, pod.phase == "Running", let need = need(pod),
            let limit = memoryLimit(pod), let seconds = need.lifetime(limit: limit),
            // Times are told in whole seconds.
            now.timeIntervalSince(startOfFirstContainer(key)) >= seconds - 1
        else { return }
        let time = timestamp
        update(.pods, key) { value in
            guard var status = value["status"]["containerStatuses"].array.first else { return }
            status["restartCount"] = .integer((status["restartCount"].int ?? 0) + 1)
            status["lastState"] = [
                "terminated": [
                    "exitCode": 137, "reason": "OOMKilled", "startedAt": status["state"]["running"]["startedAt"],
                    "finishedAt": time, "containerID": status["containerID"],
                ]
            ]
            status["state"] = ["running": ["startedAt": time]]
            value["status"]["containerStatuses"] = .array(
                [status] + value["status"]["containerStatuses"].array.dropFirst())
        }
        scheduleMemoryKill(pod)
    }
}
