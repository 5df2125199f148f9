import Foundation
import Infrastructure

extension PodObject {
    /// In the product's words.
    var pod: Pod {
        let controller = metadata.controller
        var pod = Pod(
            namespace: metadata.space, name: metadata.name, uid: metadata.uid,
            nodeName: spec.nodeName.flatMap { $0.isEmpty ? nil : $0 },
            phase: status?.phase.flatMap { PodPhase(rawValue: $0) } ?? .unknown, isReady: isReady, isMirror: isMirror,
            ownerKind: controller?.kind, ownerUID: controller?.uid,
            requests: Infrastructure.Resources(effectiveRequests, pods: 1),
            graceSeconds: spec.terminationGracePeriodSeconds ?? 30, deletedBy: metadata.deletionTimestamp?.date,
            priorityClass: spec.priorityClassName, labels: metadata.labels, tolerations: spec.tolerationList,
            // A generic ephemeral volume makes a claim of its own.
            usesVolumeClaim: (spec.volumes ?? []).contains { $0.claimName != nil || $0.kind == "ephemeral" },
            ownerName: controller?.name)
        pod.annotations = metadata.annotations
        pod.containers = spec.allContainers(status)
        pod.placement = spec.placement(podName: metadata.name, unknownFields: unknownFields)
        pod.priority = spec.priority ?? 0
        pod.nominatedNode = status?.nominatedNodeName.flatMap { $0.isEmpty ? nil : $0 }
        pod.qualityOfService = status?.qosClass.flatMap { QualityOfService(rawValue: $0) }
        pod.wasEvicted = status?.phase == "Failed" && status?.reason == "Evicted"
        pod.address = status?.podIP.flatMap { $0.isEmpty ? nil : $0 }
        pod.createdAt = metadata.creationTimestamp?.date ?? Date(timeIntervalSince1970: 0)
        return pod
    }
}

extension PodObject.Spec {
    var tolerationList: [Infrastructure.Toleration] {
        (tolerations ?? []).map {
            Infrastructure.Toleration(
                key: $0.key ?? "", operator: $0.operator ?? "Equal", value: $0.value ?? "", effect: $0.effect ?? "")
        }
    }

    /// The containers, the init ones first, each with its status.
    func allContainers(_ status: PodObject.Status?) -> [PodContainer] {
        let initial = (initContainers ?? []).map { container in
            container.domain(
                container.restartPolicy == "Always" ? .sidecar : .initial, status?.initContainerStatuses)
        }
        return initial + containers.map { $0.domain(.main, status?.containerStatuses) }
    }

    /// Where the pod may run.
    func placement(podName: String, unknownFields: [String]) -> PodPlacement {
        var placement = PodPlacement()
        var unknown = unknownFields
        placement.nodeSelector = nodeSelector ?? [:]
        if let affinity {
            unknown += affinity.unknownFields.map { "affinity.\($0)" }
            placement.add(affinity, &unknown)
        }
        placement.topologySpread = (topologySpreadConstraints ?? []).map { $0.domain(&unknown) }
        placement.hostPorts = (containers + (initContainers ?? [])).flatMap { $0.ports ?? [] }.compactMap { port in
            guard let number = port.hostPort, number > 0 else { return nil }
            let address = port.hostIP ?? ""
            return HostPort(
                port: Int(number), protocol: port.protocol ?? "TCP", address: address.isEmpty ? "0.0.0.0" : address)
        }
        placement.volumes = (volumes ?? []).map { volume in
            PodVolume(
                kind: volume.kind,
                claim: volume.kind == "ephemeral" ? "\(podName)-\(volume.name)" : volume.claimName)
        }
        placement.schedulerName = schedulerName ?? "default-scheduler"
        placement.schedulingGates = (schedulingGates ?? []).map(\.name)
        placement.usesHostNetwork = hostNetwork ?? false
        if !(resourceClaims ?? []).isEmpty { unknown.append("resourceClaims") }
        placement.unknownConstraints = Set(unknown).sorted()
        return placement
    }
}

extension PodPlacement {
    /// Takes `spec.affinity`; what cannot be reckoned with is named.
    fileprivate mutating func add(_ affinity: PodAffinityRules, _ unknown: inout [String]) {
        if let required = affinity.nodeAffinity?.required {
            requiredNodeTerms = required.nodeSelectorTerms.map { $0.domain("affinity.nodeAffinity", &unknown) }
        }
        preferredNodeTerms = (affinity.nodeAffinity?.preferred ?? []).map {
            WeightedNodeTerm(weight: Int($0.weight), $0.term.domain("affinity.nodeAffinity", &unknown))
        }
        requiredAffinity = (affinity.podAffinity?.required ?? []).map { $0.domain("affinity.podAffinity", &unknown) }
        preferredAffinity = (affinity.podAffinity?.preferred ?? []).map {
            WeightedPodTerm(weight: Int($0.weight), $0.term.domain("affinity.podAffinity", &unknown))
        }
        requiredAntiAffinity = (affinity.podAntiAffinity?.required ?? []).map {
            $0.domain("affinity.podAntiAffinity", &unknown)
        }
        preferredAntiAffinity = (affinity.podAntiAffinity?.preferred ?? []).map {
            WeightedPodTerm(weight: Int($0.weight), $0.term.domain("affinity.podAntiAffinity", &unknown))
        }
    }
}

extension PodObject.Container {
    fileprivate func domain(_ role: ContainerRole, _ statuses: [PodObject.ContainerStatus]?) -> PodContainer {
        let status = statuses?.first { $0.name == name }
        return PodContainer(
            name: name, role: role,
            requests: Infrastructure.Resources(ResourceAmounts.of(resources?.requests), pods: 0),
            limits: Infrastructure.Resources(ResourceAmounts.of(resources?.limits), pods: 0),
            restarts: Int(status?.restartCount ?? 0), isReady: status?.ready ?? false,
            runningSince: status?.state?.running?.startedAt?.date, termination: status?.state?.terminated?.domain,
            lastTermination: status?.lastState?.terminated?.domain)
    }
}

extension PodObject.Terminated {
    fileprivate var domain: ContainerTermination {
        ContainerTermination(
            reason: reason.flatMap { ContainerTermination.reasons.contains($0) ? $0 : nil } ?? "Other",
            exitCode: Int(exitCode), startedAt: startedAt?.date, finishedAt: finishedAt?.date)
    }
}

extension NodeSelectorTerm {
    /// In the product's words; an operator that we do not know is named, and its requirement left out.
    func domain(_ place: String, _ unknown: inout [String]) -> Infrastructure.NodeSelectorTerm {
        func known(_ found: [SelectorRequirement]?) -> [Infrastructure.SelectorRequirement] {
            (found ?? []).compactMap { requirement in
                if let known = [requirement].requirements?.first { return known }
                unknown.append("\(place).operator")
                return nil
            }
        }
        return Infrastructure.NodeSelectorTerm(
            matchExpressions: known(matchExpressions), matchFields: known(matchFields))
    }
}

extension PodAffinityTerm {
    /// In the product's words; a selector that we do not understand is named.
    fileprivate func domain(_ place: String, _ unknown: inout [String]) -> Infrastructure.PodAffinityTerm {
        Infrastructure.PodAffinityTerm(
            selector: labelSelector.flatMap { $0.known(place, &unknown) }, topologyKey: topologyKey,
            namespaces: namespaces ?? [], namespaceSelector: namespaceSelector.flatMap { $0.known(place, &unknown) },
            matchLabelKeys: matchLabelKeys ?? [], mismatchLabelKeys: mismatchLabelKeys ?? [])
    }
}

extension SpreadConstraint {
    /// In the product's words; what we do not understand is named.
    fileprivate func domain(_ unknown: inout [String]) -> TopologySpread {
        let place = "topologySpreadConstraints"
        unknown += unknownFields.map { "\(place).\($0)" }
        if !["DoNotSchedule", "ScheduleAnyway"].contains(whenUnsatisfiable) {
            unknown.append("\(place).whenUnsatisfiable")
        }
        for policy in [nodeAffinityPolicy, nodeTaintsPolicy] where !["Honor", "Ignore", nil].contains(policy) {
            unknown.append("\(place).policy")
        }
        return TopologySpread(
            maxSkew: Int(maxSkew), topologyKey: topologyKey, isRequired: whenUnsatisfiable != "ScheduleAnyway",
            selector: labelSelector.flatMap { $0.known(place, &unknown) }, minDomains: minDomains.map(Int.init),
            honorsNodeAffinity: nodeAffinityPolicy != "Ignore", honorsNodeTaints: nodeTaintsPolicy == "Honor",
            matchLabelKeys: matchLabelKeys ?? [])
    }
}

extension LabelSelectorObject {
    /// As `selector`; one that we do not understand is named.
    fileprivate func known(_ place: String, _ unknown: inout [String]) -> LabelSelector? {
        if let selector { return selector }
        unknown.append("\(place).labelSelector.operator")
        return nil
    }
}
