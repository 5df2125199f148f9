import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// Changes of workloads, autoscalers and services: each is computed from the object as it is at that moment and refused by
/// the API server when anything changed in between.
extension ActionSender {

    /// Somebody else lowered it before us.
    static let loweredCode = "Lowered"

    /// Lowers or raises an object. Lowered, it bears its level of that moment; raised, its mark stays until it is ready.
    /// - Returns: done, its code the level before; `gone` when there is nothing left to do.
    func setLevel(_ change: LevelChange, key: String) async throws -> ActionReport {
        try await changing(change.object, key: key) { cluster, object in
            guard let level = object.level else {
                throw FarSideError(.refused, "\(change.object) has no level that could be set")
            }
            var patch = ObjectPatch()
            if let since = change.sleepsSince {
                guard level > change.to else {
                    // At its aim already: by our own earlier try, or by somebody else, whose it is then.
                    let mark = object.annotations[SleepMark.annotation].flatMap(SleepMark.init(parsing:))
                    return mark?.since == since
                        ? ActionReport(key: key, .done, code: "\(level)")
                        : ActionReport(key: key, .gone, code: ActionSender.loweredCode)
                }
                let mark = SleepMark(original: level, since: since).description
                if object.annotations[SleepMark.annotation] != mark {
                    patch.annotations[SleepMark.annotation] = .some(mark)
                }
            } else {
                guard level <= change.onlyFrom, level < change.to else {
                    return ActionReport(key: key, .done, code: "\(level)")
                }
            }
            var version = object.resourceVersion
            switch change.object.kind {
            case .deployment, .statefulSet:
                // The mark first: what is down without one could not be told from what a person took down.
                if !patch.isEmpty {
                    version = try await cluster.patch(change.object, patch, resourceVersion: version).resourceVersion
                }
                try await cluster.scale(change.object, to: change.to, resourceVersion: version)
            case .cronJob, .autoscaler:
                patch.level = change.to
                _ = try await cluster.patch(change.object, patch, resourceVersion: version)
            case .daemonSet, .service:
                throw FarSideError(.refused, "\(change.object) has no level that could be set")
            }
            return ActionReport(key: key, .done, code: "\(level)")
        }
    }

    func clearSleepMark(_ reference: ObjectReference, key: String) async throws -> ActionReport {
        try await changing(reference, key: key) { cluster, object in
            guard object.annotations[SleepMark.annotation] != nil else { return ActionReport(key: key, .done) }
            var patch = ObjectPatch()
            patch.annotations[SleepMark.annotation] = .some(nil)
            _ = try await cluster.patch(reference, patch, resourceVersion: object.resourceVersion)
            return ActionReport(key: key, .done)
        }
    }

    /// Sets sizes where the object still has those that the change was computed from.
    func resize(_ change: SizeChange, key: String) async throws -> ActionReport {
        try await changing(change.object, key: key) { cluster, object in
            if change.after.allSatisfy({ object.containers[$0.key] == $0.value }) {
                return ActionReport(key: key, .done)
            }
            if let other = change.before.first(where: { object.containers[$0.key] != $0.value }) {
                return ActionReport(
                    key: key, .gone, code: "Changed",
                    message: "the size of container \(other.key) was changed meanwhile")
            }
            var patch = ObjectPatch()
            patch.containers = change.after
            patch.annotations[SizeChange.sizesAnnotation] = .some(try JSONText(encoding: change.before).text)
            patch.annotations[SizeChange.causeAnnotation] = .some(change.mark)
            _ = try await cluster.patch(change.object, patch, resourceVersion: object.resourceVersion)
            return ActionReport(key: key, .done)
        }
    }

    func distributeTraffic(_ change: TrafficChange, key: String) async throws -> ActionReport {
        try await changing(change.object, key: key) { cluster, object in
            let now = object.trafficDistribution ?? ""
            if now == change.after { return ActionReport(key: key, .done) }
            guard now == change.before else {
                return ActionReport(key: key, .gone, code: "Changed", message: "it was set to \(now) meanwhile")
            }
            var patch = ObjectPatch()
            patch.trafficDistribution = change.after
            _ = try await cluster.patch(change.object, patch, resourceVersion: object.resourceVersion)
            return ActionReport(key: key, .done)
        }
    }

    /// Adds the preference where the template says nothing of other pods: a list of preferences has no merge key, and a patch
    /// would take away what stands in it.
    func preferZone(_ change: AffinityChange, key: String) async throws -> ActionReport {
        try await changing(change.object, key: key) { cluster, object in
            if object.annotations[AffinityChange.annotation] == change.peer {
                return ActionReport(key: key, .done)
            }
            guard !object.hasPodPreferences else {
                return ActionReport(
                    key: key, .gone, code: "Changed", message: "its template has preferences of its own meanwhile")
            }
            var patch = ObjectPatch()
            patch.preferredZone = change.near
            patch.annotations[AffinityChange.annotation] = .some(change.peer)
            _ = try await cluster.patch(change.object, patch, resourceVersion: object.resourceVersion)
            return ActionReport(key: key, .done)
        }
    }

    /// Computes a change anew when somebody else changed the object in between.
    private func changing(
        _ reference: ObjectReference, key: String,
        _ change: (any Cluster, ChangeableObject) async throws -> ActionReport
    ) async throws -> ActionReport {
        let cluster = try await cluster()
        var last = FarSideError(.conflict, "\(reference) changes faster than it can be patched")
        for _ in 0..<ActionSender.patchTriesMax {
            guard let object = try await cluster.object(reference), object.uid == reference.uid else {
                return ActionReport(key: key, .gone)
            }
            do {
                return try await change(cluster, object)
            } catch let error as FarSideError where error.code == .conflict {
                last = error
            } catch let error as FarSideError where error.code == .notFound {
                return ActionReport(key: key, .gone)
            }
        }
        throw NotDone(report: ActionReport(key: key, .failed, code: "Conflict", message: last.message))
    }
}
