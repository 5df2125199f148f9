import Foundation
import Infrastructure

extension AWSClient {
    /// `DescribeVolumes` of those that meet all conditions.
    public func describeVolumes(
        filters: [EC2Filter] = [], pageSize: Int = 500, _ options: CallOptions = CallOptions()
    ) async throws -> [Volume] {
        var form = FormParameters()
        form.add(filters: filters)
        return try await pages("DescribeVolumes", form, pageSize: pageSize, options) { tree in
            try tree.list("volumeSet").map { try Volume($0) }
        }
    }

    /// `CreateSnapshot`. EC2 has no ClientToken for it, so a lost answer is not repeated: look for the tags first.
    public func createSnapshot(
        volume: String, description: String, tags: [String: String], _ options: CallOptions = CallOptions()
    ) async throws -> VolumeSnapshot {
        var form = FormParameters()
        form.add("VolumeId", volume)
        form.add("Description", description)
        form.add(tags: tags, forNew: ["snapshot"])
        let call = ServiceCall.ec2("CreateSnapshot", form, change: true, isRepeatable: false)
        let answer = try await xml(call, options)
        return try read(call, answer) { try VolumeSnapshot($0) }
    }

    /// `DescribeSnapshots` of our own that meet all conditions.
    public func describeSnapshots(
        filters: [EC2Filter], pageSize: Int = 1_000, _ options: CallOptions = CallOptions()
    ) async throws -> [VolumeSnapshot] {
        var form = FormParameters()
        form.add("Owner", list: ["self"])
        form.add(filters: filters)
        return try await pages("DescribeSnapshots", form, pageSize: pageSize, options) { tree in
            try tree.list("snapshotSet").map { try VolumeSnapshot($0) }
        }
    }

    /// `DeleteVolume`; an unknown one throws `notFound`.
    public func deleteVolume(_ id: String, _ options: CallOptions = CallOptions()) async throws {
        var form = FormParameters()
        form.add("VolumeId", id)
        _ = try await xml(.ec2("DeleteVolume", form, change: true), options)
    }
}

extension VolumeSnapshot {
    /// Reads an item of `snapshotSet`.
    init(_ item: XMLTree) throws {
        self.init(
            id: try item.required("snapshotId"), volume: try item.required("volumeId"),
            state: item.string("status") ?? item.string("state") ?? "unknown", tags: item.tags)
    }
}

extension Volume {
    /// Reads an item of `volumeSet`.
    init(_ item: XMLTree) throws {
        let id = try item.required("volumeId")
        guard let gibibytes = Int64(try item.required("size")) else {
            throw XMLTree.Malformed(description: "\(id) has a size that is no number")
        }
        self.init(
            id: id, state: item.string("status") ?? "unknown", size: .mebibytes(gibibytes.multipliedClamped(by: 1_024)),
            zone: item.string("availabilityZone") ?? "", tags: item.tags,
            attachments: item.list("attachmentSet").compactMap { $0.string("instanceId") }.map(
                InstanceID.init(rawValue:)), type: item.string("volumeType") ?? "",
            createdAt: item.string("createTime").flatMap(AWSTimestamp.date),
            isMultiAttach: item.string("multiAttachEnabled") == "true",
            isFastRestored: item.string("fastRestored") == "true")
    }
}

extension Int64 {
    fileprivate func multipliedClamped(by factor: Int64) -> Int64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}
