import Infrastructure

/// Snapshots and deletes volumes, each with a last look at what is there.
struct VolumeSender: Sendable {
    let cloud: any Cloud
    let key: String

    /// EC2 takes no token for a snapshot: one that bears the effect's key already is the one that was asked for.
    func snapshot(_ volume: String, description: String, tags: [String: String]) async throws -> ActionReport {
        let found = try await cloud.snapshots(of: [volume], tag: VolumeTag.effect)
        if found.contains(where: { $0.tags[VolumeTag.effect] == key && $0.state != "error" }) {
            return ActionReport(key: key, .done, message: "it was there already")
        }
        var tags = tags
        tags[VolumeTag.effect] = key
        do {
            let made = try await cloud.createSnapshot(of: volume, description: description, tags: tags)
            return ActionReport(key: key, .done, message: made.id)
        } catch let error as FarSideError where error.code == .notFound {
            return ActionReport(key: key, .gone)
        }
    }

    /// Deletes only what still is as it was decided: unused, marked at that time, and wholly in that snapshot.
    func delete(_ id: String, mark: String, snapshot: String) async throws -> ActionReport {
        guard let volume = try await cloud.volumes([id]).first else { return ActionReport(key: key, .gone) }
        guard volume.state == "available", volume.attachments.isEmpty else {
            throw blocked("VolumeInUse", "the volume is \(volume.state)")
        }
        guard volume.tags[VolumeTag.mark] == mark else {
            throw blocked(
                "MarkChanged", "the mark is '\(volume.tags[VolumeTag.mark] ?? "")', it was '\(mark)'")
        }
        let copies = try await cloud.snapshots(of: [id], tag: VolumeTag.effect)
        guard copies.contains(where: { $0.id == snapshot && $0.isCompleted }) else {
            throw blocked("SnapshotIncomplete", "the snapshot \(snapshot) is not complete")
        }
        do {
            try await cloud.deleteVolume(id)
            return ActionReport(key: key, .done)
        } catch let error as FarSideError where error.code == .notFound {
            return ActionReport(key: key, .gone)
        } catch let error as FarSideError where error.farCode == "VolumeInUse" {
            throw blocked("VolumeInUse", ActionReport.oneLine(error.message))
        }
    }

    private func blocked(_ code: String, _ message: String) -> ActionSender.NotDone {
        ActionSender.NotDone(report: ActionReport(key: key, .blocked, code: code, message: message))
    }
}
