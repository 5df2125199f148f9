/// Which labels and tags a snapshot keeps: those that some rule of the cluster or the policy refers to, and those that
/// Kubernetes, EKS, EC2 and the autoscalers set themselves. Anything else a customer writes into a label stays with them.
public enum KeptKeys {
    /// Whether a label is one of the platform's own.
    public static func isWellKnown(label key: String) -> Bool {
        if PodUsage.labelKeys.contains(key) || key == "job-name" || key == "app.kubernetes.io/managed-by" {
            return true
        }
        guard let slash = key.firstIndex(of: "/") else { return false }
        let domain = key[..<slash]
        return labelDomains.contains { domain == $0 || domain.hasSuffix("." + $0) } && domain != "app.kubernetes.io"
    }

    private static let labelDomains = [
        "kubernetes.io", "k8s.io", "eks.amazonaws.com", "karpenter.sh", "karpenter.k8s.aws", "cloudoptim.io",
        "topology.ebs.csi.aws.com", "alpha.eksctl.io", "kops.k8s.io",
    ]

    /// Whether a tag is one by which owners and clusters are told.
    public static func isWellKnown(tag key: String) -> Bool {
        tagPrefixes.contains { key.hasPrefix($0) }
            || ["KubernetesCluster", "CSIVolumeName", "Name", "Backup"].contains(key)
    }

    private static let tagPrefixes = [
        "aws:autoscaling:", "aws:ec2launchtemplate:", "aws:ec2:fleet-id", "aws:cloudformation:", "eks:",
        "kubernetes.io/", "k8s.io/", "karpenter.sh/", "karpenter.k8s.aws/", "cloudoptim", "ebs.csi.aws.com/", "dlm:",
        "aws:dlm:", "aws:backup:",
    ]
}

extension ClusterSnapshot {
    /// The same snapshot without labels and tags that nothing refers to.
    public func narrowed(keeping protected: ProtectionPolicy) -> ClusterSnapshot {
        var copy = self
        let keys = objects.referredKeys
        let named = Set(protected.labels.keys)
        func keep(_ labels: [String: String], _ referred: Set<String>) -> [String: String] {
            labels.filter { key, _ in
                referred.contains(key) || named.contains(key) || KeptKeys.isWellKnown(label: key)
            }
        }
        for index in objects.pods.indices {
            copy.objects.pods[index].labels = keep(objects.pods[index].labels, keys.pods)
        }
        for index in objects.nodes.indices {
            copy.objects.nodes[index].labels = keep(objects.nodes[index].labels, keys.nodes)
        }
        for index in objects.workloads.indices {
            copy.objects.workloads[index].labels = keep(objects.workloads[index].labels, [])
        }
        for index in objects.namespaces.indices {
            copy.objects.namespaces[index].labels = keep(objects.namespaces[index].labels, keys.namespaces)
        }
        func keepTags(_ tags: [String: String]) -> [String: String] {
            tags.filter { protected.tags[$0.key] != nil || KeptKeys.isWellKnown(tag: $0.key) }
        }
        copy.instances = instances?.map { instance in
            var instance = instance
            instance.tags = keepTags(instance.tags)
            return instance
        }
        copy.volumes = volumes?.map { volume in
            var volume = volume
            volume.tags = keepTags(volume.tags)
            return volume
        }
        return copy
    }
}

extension ClusterObjects {
    /// The label keys that selectors and topologies of the cluster look at, by whose labels they are.
    var referredKeys: (pods: Set<String>, nodes: Set<String>, namespaces: Set<String>) {
        var ofPods: Set<String> = []
        var ofNodes: Set<String> = []
        var ofNamespaces: Set<String> = []
        func take(_ term: NodeSelectorTerm) { ofNodes.formUnion(term.matchExpressions.map(\.key)) }
        func take(_ term: PodAffinityTerm) {
            ofPods.formUnion(term.selector?.keys ?? [])
            ofPods.formUnion(term.matchLabelKeys + term.mismatchLabelKeys)
            ofNodes.insert(term.topologyKey)
            ofNamespaces.formUnion(term.namespaceSelector?.keys ?? [])
        }
        for placement in pods.map(\.placement) + workloads.map(\.placement) {
            ofNodes.formUnion(placement.nodeSelector.keys)
            (placement.requiredNodeTerms ?? []).forEach(take)
            placement.preferredNodeTerms.map(\.term).forEach(take)
            placement.requiredAffinity.forEach(take)
            placement.requiredAntiAffinity.forEach(take)
            placement.preferredAffinity.map(\.term).forEach(take)
            placement.preferredAntiAffinity.map(\.term).forEach(take)
            for spread in placement.topologySpread {
                ofPods.formUnion(spread.selector?.keys ?? [])
                ofPods.formUnion(spread.matchLabelKeys)
                ofNodes.insert(spread.topologyKey)
            }
        }
        for budget in budgets { ofPods.formUnion(budget.selector.keys) }
        for workload in workloads { ofPods.formUnion(workload.selector?.keys ?? []) }
        for service in services { ofPods.formUnion(service.selector.keys) }
        for volume in volumes { (volume.nodeTerms ?? []).forEach(take) }
        for storageClass in storageClasses { storageClass.allowedTopologies.forEach(take) }
        return (ofPods, ofNodes, ofNamespaces)
    }
}

extension ClusterObjects {
    /// What does not fit together, because lists were read one after another, or are not whole: counts, never names.
    public var remarks: [String] {
        var remarks: [String] = []
        for reading in readings where reading.outcome != .complete && reading.outcome != .absent {
            let what = reading.outcome == .partial ? "\(reading.unreadable) unreadable" : reading.outcome.rawValue
            remarks.append(
                "the list of \(reading.list.rawValue) is not whole: \(what)"
                    + (reading.problem.isEmpty ? "" : " (\(reading.problem))"))
        }
        let versions = Set(readings.filter { !$0.resourceVersion.isEmpty }.map(\.resourceVersion))
        if versions.count > 1 {
            remarks.append("the lists show \(versions.count) states of the cluster's store: each is whole in itself")
        }
        func count(_ number: Int, _ what: String) { if number > 0 { remarks.append("\(number) \(what)") } }
        let nodeNames = Set(nodes.map(\.name))
        count(
            reading(.nodes) == nil ? 0 : pods.filter { $0.nodeName.map { !nodeNames.contains($0) } ?? false }.count,
            "pods are bound to nodes that are not in the list of nodes: nodes came or went between the lists")
        let volumeNames = Set(volumes.map(\.name))
        count(
            reading(.volumes) == nil
                ? 0 : claims.filter { $0.volumeName.map { !volumeNames.contains($0) } ?? false }.count,
            "claims are bound to volumes that are not in the list of volumes")
        return remarks
    }
}
