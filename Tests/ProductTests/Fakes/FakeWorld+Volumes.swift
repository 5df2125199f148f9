import Infrastructure

/// The account's volumes and snapshots.
extension FakeWorld {
    func volumes(where holds: @Sendable (Volume) -> Bool) throws -> [Volume] {
        if let describeError { throw describeError }
        return volumes.values.filter(holds).sorted { $0.id < $1.id }
    }

    func tag(_ resources: [String], _ tags: [String: String]) throws {
        for id in resources where id.hasPrefix("vol-") {
            guard volumes[id] != nil else { throw FarSideError(.notFound, farCode: "InvalidVolume.NotFound", id) }
            volumes[id]?.tags.merge(tags) { $1 }
            note("tag \(id)")
        }
    }

    func untag(_ resources: [String], _ keys: [String]) throws {
        for id in resources where id.hasPrefix("vol-") {
            guard volumes[id] != nil else { throw FarSideError(.notFound, farCode: "InvalidVolume.NotFound", id) }
            for key in keys { volumes[id]?.tags[key] = nil }
            note("untag \(id)")
        }
    }

    func snapshot(_ volume: String, _ tags: [String: String]) throws -> VolumeSnapshot {
        guard volumes[volume] != nil else { throw FarSideError(.notFound, farCode: "InvalidVolume.NotFound", volume) }
        let made = VolumeSnapshot(
            id: "snap-\(snapshots.count + 1)", volume: volume, state: snapshotState, tags: tags)
        snapshots.append(made)
        note("snapshot \(volume)")
        return made
    }

    func deleteVolume(_ id: String) throws {
        guard let volume = volumes[id] else { throw FarSideError(.notFound, farCode: "InvalidVolume.NotFound", id) }
        if blockedDeletions { throw FarSideError(.fault, "not now") }
        guard volume.attachments.isEmpty else { throw FarSideError(.refused, farCode: "VolumeInUse", id) }
        volumes[id] = nil
        note("delete-volume \(id)")
    }
}
