extension PodObject {
    /// What the scheduler counts for this pod; see `Spec.effectiveRequests`.
    var effectiveRequests: [String: Int64] { spec.effectiveRequests(status) }
}

extension PodObject.Spec {
    /// What the scheduler counts for this pod, by resource name: the larger of what runs together and what any init step
    /// needs, plus the runtime's overhead; requests of the pod itself replace the containers' sum (1.34+); while a resize is
    /// under way the larger of asked and allocated counts. Rule: domain-rules section 4 item 1, after `PodRequests` in
    /// k8s.io/component-helpers.
    /// - Parameter status: nil: of a template.
    /// - Returns: milli-units for "cpu", whole units (bytes, devices) for everything else.
    func effectiveRequests(_ status: PodObject.Status?) -> [String: Int64] {
        var running: [String: Int64] = [:]
        for container in containers { running.add(amounts(container, statuses: status?.containerStatuses)) }

        var sidecars: [String: Int64] = [:]
        var initPeak: [String: Int64] = [:]
        for container in initContainers ?? [] {
            let own = amounts(container, statuses: status?.initContainerStatuses)
            if container.restartPolicy == "Always" {
                sidecars.add(own)
                initPeak.raise(to: sidecars)
            } else {
                // An init step runs beside the sidecars that were started before it.
                var step = sidecars
                step.add(own)
                initPeak.raise(to: step)
            }
        }
        running.add(sidecars)
        running.raise(to: initPeak)

        for (name, amount) in ResourceAmounts.of(resources?.requests) { running[name] = amount }
        running.add(ResourceAmounts.of(overhead))
        return running
    }

    private func amounts(
        _ container: PodObject.Container, statuses: [PodObject.ContainerStatus]?
    ) -> [String: Int64] {
        // The API server fills a missing request with the limit; so do we, for a world that did not.
        var requested = ResourceAmounts.of(container.resources?.limits)
        requested.merge(ResourceAmounts.of(container.resources?.requests)) { _, request in request }
        if let status = statuses?.first(where: { $0.name == container.name }) {
            requested.raise(to: ResourceAmounts.of(status.allocatedResources))
        }
        return requested
    }
}

/// Quantities by resource name, in one unit each.
enum ResourceAmounts {
    /// Milli-units for "cpu", whole units for everything else.
    static func of(_ list: [String: Quantity]?) -> [String: Int64] {
        var amounts: [String: Int64] = [:]
        for (name, quantity) in list ?? [:] { amounts[name] = name == "cpu" ? quantity.thousandths : quantity.units }
        return amounts
    }
}

extension [String: Int64] {
    /// Adds name by name; a sum beyond 2^63-1 stays there (such a pod fits nowhere).
    fileprivate mutating func add(_ other: [String: Int64]) {
        merge(other) { left, right in
            let (sum, overflow) = left.addingReportingOverflow(right)
            return overflow ? .max : sum
        }
    }

    /// The larger, name by name.
    fileprivate mutating func raise(to other: [String: Int64]) { merge(other) { Swift.max($0, $1) } }
}
