import Foundation
import Infrastructure

extension AWSClient {
    /// A snapshot of a volume.
    public struct Snapshot: Sendable, Hashable {
        /// `snap-…`.
        public let id: String
        /// The volume it was made of.
        public let volume: String
        /// `pending`, `completed`, `error`.
        public let state: String
        /// Tags.
        public let tags: [String: String]
    }

    /// `DescribeVolumes` of those that meet all conditions, at most 100 pages of 500.
    public func describeVolumes(
        filters: [EC2Filter] = [], _ options: CallOptions = CallOptions()
    ) async throws -> [Volume] {
        var all: [Volume] = []
        var token: String?
        for _ in 0..<100 {
            var form = FormParameters()
            form.add(filters: filters)
            form.add("MaxResults", "500")
            form.add("NextToken", token)
            let call = ServiceCall.ec2("DescribeVolumes", form)
            let answer = try await xml(call, options)
            all += try read(call, answer) { try $0.list("volumeSet").map { try Volume($0) } }
            token = answer.string("nextToken")
            if token == nil { return all }
        }
        throw AWSError(
            .malformedAnswer, action: "ec2 DescribeVolumes", message: "more than 50,000 volumes",
            mayHaveBeenExecuted: false)
    }

    /// `CreateSnapshot`. EC2 has no ClientToken for it, so a lost answer is not repeated: look for the tags first.
    public func createSnapshot(
        volume: String, description: String, tags: [String: String], _ options: CallOptions = CallOptions()
    ) async throws -> Snapshot {
        var form = FormParameters()
        form.add("VolumeId", volume)
        form.add("Description", description)
        form.add(tags: tags, forNew: ["snapshot"])
        let call = ServiceCall.ec2("CreateSnapshot", form, change: true, isRepeatable: false)
        let answer = try await xml(call, options)
        return try read(call, answer) { try Snapshot($0) }
    }

    /// `DescribeSnapshots` of our own that meet all conditions, at most 1,000.
    public func describeSnapshots(
        filters: [EC2Filter], _ options: CallOptions = CallOptions()
    ) async throws -> [Snapshot] {
        var form = FormParameters()
        form.add("Owner", list: ["self"])
        form.add(filters: filters)
        form.add("MaxResults", "1000")
        let call = ServiceCall.ec2("DescribeSnapshots", form)
        let answer = try await xml(call, options)
        return try read(call, answer) { try $0.list("snapshotSet").map { try Snapshot($0) } }
    }

    /// `DeleteVolume`; an unknown one throws `notFound`.
    public func deleteVolume(_ id: String, _ options: CallOptions = CallOptions()) async throws {
        var form = FormParameters()
        form.add("VolumeId", id)
        _ = try await xml(.ec2("DeleteVolume", form, change: true), options)
    }
}

extension AWSClient.Snapshot {
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
                InstanceID.init(rawValue:)))
    }
}

extension Int64 {
    fileprivate func multipliedClamped(by factor: Int64) -> Int64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}
