import Infrastructure

/// Sizes groups of nodes, each with a last look at what is there: neither EKS nor Auto Scaling knows a precondition.
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
            try await resize(group, minSize: min(change.minSize, desired), desired: desired)
            return done
        }
        guard group.desired > change.to else {
            // At its aim already: by our own earlier try, or by somebody else, whose it is then.
            return group.mark?.since == since ? done : ActionReport(key: key, .gone, code: ActionSender.loweredCode)
        }
        try refuseWhileChanging(group)
        // The tag first: what is down without one could not be told from what a person took down.
        let mark = SleepMark(original: group.desired, since: since, minSize: group.minSize).description
        if group.tags[SleepMark.annotation] != mark { try await cloud.mark(group, mark) }
        try await resize(group, minSize: min(group.minSize, change.to), desired: change.to)
        return done
    }

    /// Takes the tag off. Whoever raised the group meanwhile keeps the size they set, with the least size of before.
    func clearMark(_ reference: NodeGroupReference, minSize: Int) async throws -> ActionReport {
        guard let group = try await cloud.nodeGroup(reference) else { return ActionReport(key: key, .gone) }
        let least = min(minSize, group.desired)
        if group.minSize < least {
            try refuseWhileChanging(group)
            try await resize(group, minSize: least, desired: group.desired)
        }
        if group.tags[SleepMark.annotation] != nil { try await cloud.mark(group, nil) }
        return ActionReport(key: key, .done)
    }

    private func resize(_ group: NodeGroup, minSize: Int, desired: Int) async throws {
        do {
            try await cloud.resize(group, minSize: minSize, desired: desired)
        } catch let error as FarSideError where error.code == .conflict {
            throw changing(group, error.message)
        }
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
