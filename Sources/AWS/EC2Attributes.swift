import Infrastructure

extension AWSClient {
    /// `DescribeInstanceAttribute` of `disableApiTermination`; an unknown instance throws `notFound`.
    public func isTerminationProtected(_ id: InstanceID, _ options: CallOptions = CallOptions()) async throws -> Bool {
        var form = FormParameters()
        form.add("InstanceId", id.rawValue)
        form.add("Attribute", "disableApiTermination")
        let call = ServiceCall.ec2("DescribeInstanceAttribute", form)
        let answer = try await xml(call, options)
        return try read(call, answer) { try $0.required("disableApiTermination", "value").lowercased() == "true" }
    }

    /// `DescribeSpotInstanceRequests` of the type `persistent` that still are open or active.
    /// - Returns: those of the instances that belong to one.
    public func describePersistentSpotRequests(
        of instances: [String], _ options: CallOptions = CallOptions()
    ) async throws -> [InstanceID] {
        var form = FormParameters()
        form.add(filters: [
            EC2Filter("instance-id", instances), EC2Filter("type", ["persistent"]),
            EC2Filter("state", ["open", "active", "disabled"]),
        ])
        return try await pages("DescribeSpotInstanceRequests", form, pageSize: 1_000, options) { tree in
            tree.list("spotInstanceRequestSet").compactMap { $0.string("instanceId") }.map(InstanceID.init(rawValue:))
        }
    }
}
