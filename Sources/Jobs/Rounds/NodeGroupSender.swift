import Infrastructure

/// Sizes groups of nodes. Neither EKS nor Auto Scaling knows a precondition: what is there is read and compared in the instant before
/// the call, and looked at once more after it.
struct NodeGroupSender: Sendable {
    let cloud: any Cloud
    let key: String

    /// Lowers or raises a group. Lowered, it bears its sizes of that moment; raised, its tag stays until its nodes are ready.
    /// - Returns: done, its code the size before; `gone` when there is nothing left to do.
    func size(_ change: NodeGroupChange) async throws -> ActionReport {
        guard let group = try await cloud.nodeGroup(change.group) else { return ActionReport(key: key, .gone) }
        let done = ActionReport(key: key, .done, code: "\(group.desired)")
        guard let since = change.sleepsSince else {
            guard group.desired <= change.onlyFrom, group.desired < change.to else { return done }
            try refuseWhileChanging(group)
            let desired = min(change.to, group.maxSize)
            return try await resize(group, minSize: min(change.minSize, desired), desired: desired, done)
        }
        guard group.desired > change.to else {
            // At its aim already: by our own earlier try, or by somebody else, whose it is then.
            return group.mark?.since == since ? done : ActionReport(key: key, .gone, code: ActionSender.loweredCode)
        }
        try refuseWhileChanging(group)
        // The tag first: what is down without one could not be told from what a person took down.
        let mark = SleepMark(original: group.desired, since: since, minSize: group.minSize).description
        if group.tags[SleepMark.annotation] != mark {
            try await cloud.mark(group, mark)
            // That took a call's time: whoever changed it meanwhile is not overwritten, and the tag is written anew the next time.
            guard let now = try await cloud.nodeGroup(change.group), now.desired == group.desired,
                now.minSize == group.minSize
            else { throw changing(group, "it was changed while it was marked") }
        }
        return try await resize(group, minSize: min(group.minSize, change.to), desired: change.to, done)
    }

    /// Takes the tag off. Whoever raised the group meanwhile keeps the size they set, with the least size of before.
    func clearMark(_ reference: NodeGroupReference, minSize: Int) async throws -> ActionReport {
        guard let group = try await cloud.nodeGroup(reference) else { return ActionReport(key: key, .gone) }
        let least = min(minSize, group.desired)
        if group.minSize < least {
            try refuseWhileChanging(group)
            let report = ActionReport(key: key, .done)
            let resized = try await resize(group, minSize: least, desired: group.desired, report)
            if group.tags[SleepMark.annotation] != nil { try await cloud.mark(group, nil) }
            return resized
        }
        if group.tags[SleepMark.annotation] != nil { try await cloud.mark(group, nil) }
        return ActionReport(key: key, .done)
    }

    /// Sizes it and looks once more: EKS refuses a second change while it makes the first, Auto Scaling does not.
    /// - Returns: `done`, with a message where it has another size than was asked for: somebody sized it in the same instant.
    private func resize(
        _ group: NodeGroup, minSize: Int, desired: Int, _ done: ActionReport
    ) async throws -> ActionReport {
        do {
            try await cloud.resize(group, minSize: minSize, desired: desired)
        } catch let error as FarSideError where error.code == .conflict {
            throw changing(group, error.message)
        }
        guard group.reference.owner == .autoScaling else { return done }
        guard let after = try await cloud.nodeGroup(group.reference),
            after.desired != desired || after.minSize != minSize
        else { return done }
        var report = done
        report.message =
            "\(group.reference) was set to \(desired) nodes (at least \(minSize)) and had \(after.desired) (at least"
            + " \(after.minSize)) right after: somebody sized it in the same instant"
        return report
    }

    private func refuseWhileChanging(_ group: NodeGroup) throws {
        if group.isChanging { throw changing(group, "its owner is changing it") }
    }

    private func changing(_ group: NodeGroup, _ message: String) -> ActionSender.NotDone {
        ActionSender.NotDone(
            report: ActionReport(
                key: key, .failed, code: "Changing", message: ActionReport.oneLine("\(group.reference): \(message)"),
                retryAfterMilliseconds: 30_000))
    }
}
