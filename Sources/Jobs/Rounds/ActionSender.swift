import Infrastructure
import JobQueue

/// Sends one action to the far side it is for. The only code of the product that changes the world.
struct ActionSender: Sendable {
    /// Not done and not refused for ever: the effect stays open, and the next round asks again.
    struct NotDone: EffectFailure {
        let report: ActionReport
        var mayHaveBeenExecuted: Bool { false }
    }

    let sources: JobSources
    let job: ClaimedJob
    let registration: ClusterRegistration?
    /// The account the job is about; nil: it is about one cluster, or about none.
    var account: AccountTarget?

    /// How often a node patch is computed anew when somebody else changed the node in between.
    static let patchTriesMax = 5

    /// - Throws: `NotDone`, `FarSideError`, `QueueError`.
    func send(_ verb: Verb, key: String, token: String) async throws -> ActionReport {
        switch verb {
        case .cordon(let node, let value):
            return try await patch(node, key: key) { NodeMark.mark($0, by: key, taintValue: value) }
        case .uncordon(let node):
            return try await patch(node, key: key) { NodeMark.unmark($0) }
        case .evict(let pod, let grace):
            switch try await cluster().evict(pod, graceSeconds: grace) {
            case .evicted: return ActionReport(key: key, .done)
            case .gone: return ActionReport(key: key, .gone)
            case .blocked(let reason, let pause):
                throw NotDone(
                    report: ActionReport(
                        key: key, .blocked, code: "DisruptionBudget", message: ActionReport.oneLine(reason),
                        retryAfterMilliseconds: pause?.milliseconds))
            case .impossible(let reason):
                throw NotDone(
                    report: ActionReport(
                        key: key, .impossible, code: "DisruptionBudgets", message: ActionReport.oneLine(reason)))
            }
        case .deletePod(let pod, let grace):
            return report(key, try await cluster().delete(pod, graceSeconds: max(1, grace)))
        case .deleteNode(let node): return report(key, try await cluster().delete(node))
        case .tell(let event):
            try await cluster().record(event)
            return ActionReport(key: key, .done)
        case .createFleet(var request):
            request.tags[ActionSender.tokenTag] = token
            return ActionReport(key: key, .done, fleet: try await cloud().createFleet(request, token: token))
        case .runInstances(var request):
            request.tags[ActionSender.tokenTag] = token
            return ActionReport(key: key, .done, fleet: try await cloud().runInstances(request, token: token))
        case .terminate(let ids):
            return try await unlessGone(key) { try await cloud().terminate(ids) }
        case .stop(let ids): return try await unlessGone(key) { try await cloud().stop(ids) }
        case .terminateInAutoScalingGroup(let id, let shrinks):
            try await cloud().terminateInAutoScalingGroup(id, shrinks: shrinks)
            return ActionReport(key: key, .done)
        case .completeLifecycleAction(let action):
            try await cloud().completeLifecycleAction(action)
            return ActionReport(key: key, .done)
        case .recordLifecycleHeartbeat(let action):
            try await cloud().recordLifecycleHeartbeat(action)
            return ActionReport(key: key, .done)
        case .tag(let resources, let tags):
            return try await unlessGone(key) { try await cloud().tag(resources, with: tags) }
        case .untag(let resources, let keys):
            return try await unlessGone(key) { try await cloud().untag(resources, keys: keys) }
        case .snapshotVolume(let volume, let description, let tags):
            return try await VolumeSender(cloud: try await cloud(), key: key)
                .snapshot(volume, description: description, tags: tags)
        case .deleteVolume(let volume, let mark, let snapshot):
            return try await VolumeSender(cloud: try await cloud(), key: key)
                .delete(volume, mark: mark, snapshot: snapshot)
        case .scale(let change), .suspend(let change), .setMinReplicas(let change):
            return try await setLevel(change, key: key)
        case .clearSleepMark(let object): return try await clearSleepMark(object, key: key)
        case .sizeNodeGroup(let change):
            return try await NodeGroupSender(cloud: try await cloud(), key: key).size(change)
        case .clearNodeGroupMark(let group, let minSize):
            return try await NodeGroupSender(cloud: try await cloud(), key: key).clearMark(group, minSize: minSize)
        case .resize(let change): return try await resize(change, key: key)
        case .distributeTraffic(let change): return try await distributeTraffic(change, key: key)
        case .preferZone(let change): return try await preferZone(change, key: key)
        case .notify(let delivery, _):
            let status = try await sources.farSides.webhook.post(delivery, key: key)
            return ActionReport(key: key, .done, code: "\(status)")
        }
    }

    /// Every created resource bears the token of the effect that created it.
    static let tokenTag = "cloudoptim.io/token"

    func cluster() async throws -> any Cluster {
        try await sources.farSides.cluster(try required())
    }

    /// The cloud of the job's account. A job about an account asks whose credentials these are before it uses them.
    private func cloud() async throws -> any Cloud {
        let cloud = try await sources.farSides.cloud(try required(), session: job.id.description)
        if let account {
            let found = try await cloud.account()
            guard found == account.account else {
                throw FarSideError(
                    .badConfiguration, "the credentials are for the account \(found), the job is about \(account)")
            }
        }
        return cloud
    }

    private func unlessGone(_ key: String, _ body: () async throws -> Void) async throws -> ActionReport {
        do {
            try await body()
            return ActionReport(key: key, .done)
        } catch let error as FarSideError where error.code == .notFound {
            return ActionReport(key: key, .gone)
        }
    }

    private func required() throws -> ClusterRegistration {
        guard let registration else {
            throw QueueError(.notFound, "the job acts on a cluster, and '\(job.target)' is none of its tenant's")
        }
        return registration
    }

    private func report(_ key: String, _ answer: DeletionAnswer) -> ActionReport {
        ActionReport(key: key, answer == .gone ? .gone : .done)
    }

    private func patch(
        _ reference: NodeReference, key: String, change: (Node) -> NodePatch?
    ) async throws -> ActionReport {
        let cluster = try await cluster()
        var last = FarSideError(.conflict, "the node changes faster than it can be patched")
        for _ in 0..<ActionSender.patchTriesMax {
            guard let node = try await cluster.node(named: reference.name), node.uid == reference.uid else {
                return ActionReport(key: key, .gone)
            }
            guard let patch = change(node) else { return ActionReport(key: key, .done) }
            do {
                _ = try await cluster.patch(patch)
                return ActionReport(key: key, .done)
            } catch let error as FarSideError where error.code == .conflict {
                last = error
            } catch let error as FarSideError where error.code == .notFound {
                return ActionReport(key: key, .gone)
            }
        }
        throw NotDone(report: ActionReport(key: key, .failed, code: "Conflict", message: last.message))
    }
}

extension ActionReport {
    /// One printable line that every table can hold.
    static func oneLine(_ text: String) -> String {
        String(text.prefix(300).map { $0.isNewline || $0.unicodeScalars.contains { $0.value < 32 } ? " " : $0 })
    }
}

extension Duration {
    /// Whole milliseconds, rounded down.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds &* 1000 &+ attoseconds / 1_000_000_000_000_000
    }
}
