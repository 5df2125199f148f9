import Foundation
import Infrastructure

extension RemoteCluster {
    /// Reads whole lists, one after another, each page by page at one resourceVersion.
    ///
    /// One list that cannot be read does not spoil the others: its reading says so. A credential that is refused, an address
    /// that may not be called and an end of the task spoil everything. So does an API server that answers for nothing: its
    /// circuit must see that. (`usage` alone may fail: another server's answer, which ours only passes on.)
    /// - Throws: `FarSideError`; `CancellationError`.
    public func objects(_ lists: Set<ClusterList>, now: Date) async throws -> ClusterObjects {
        var objects = ClusterObjects()
        var trouble: KubernetesError?
        for list in lists.sorted() {
            try Task.checkCancellation()
            do {
                objects.readings.append(try await read(list, into: &objects, now: now))
            } catch let error as KubernetesError {
                let hasAnswered = objects.readings.contains { $0.outcome != .failed }
                if !hasAnswered, [.network, .timeout].contains(error.code) { throw error.farSide }
                let reading = try RemoteCluster.reading(of: list, failed: error, now: now)
                objects.readings.append(reading)
                if reading.outcome == .failed, list != .usage { trouble = error }
            }
        }
        if let trouble, objects.readings.allSatisfy({ $0.outcome == .failed }) { throw trouble.farSide }
        objects.sort()
        return objects
    }

    /// How a list that could not be read counts.
    private static func reading(of list: ClusterList, failed error: KubernetesError, now: Date) throws -> ListReading {
        let outcome: ListReading.Outcome
        switch error.code {
        case .unauthorized, .egressRefused, .tls, .badConfiguration: throw error.farSide
        case .forbidden: outcome = .forbidden
        // An API server answers an unknown group with a page of text, an unknown kind of a known group with a Status.
        case .notFound, .malformedAnswer: outcome = error.status == 404 ? .absent : .failed
        case .conflict, .gone, .tooManyRequests, .invalid, .serverFault, .multipleBudgets, .timeout, .network,
            .tooLarge:
            outcome = .failed
        }
        return ListReading(list, outcome, readAt: now, problem: outcome == .absent ? "" : error.code.rawValue)
    }

    private func read(_ list: ClusterList, into objects: inout ClusterObjects, now: Date) async throws -> ListReading {
        let kind = ResourceKind.of(list)
        func all<Object: DomainObject>(
            _ type: Object.Type, _ kind: ResourceKind = kind
        ) async throws -> (items: [Object.Domain], reading: ListReading) {
            let found = try await client.list(Mapped<Object>.self, kind, options: options)
            return (found.items.map(\.value), ListReading(list, of: found, now: now))
        }
        func take<Object: DomainObject>(
            _ type: Object.Type, _ path: WritableKeyPath<ClusterObjects, [Object.Domain]>
        ) async throws -> ListReading {
            let (items, reading) = try await all(type)
            objects[keyPath: path] += items
            return reading
        }
        func workloads(_ kind: WorkloadKind) async throws -> ListReading {
            let (items, reading) = try await all(WorkloadObject.self)
            objects.workloads += items.map { $0.of(kind) }
            return reading
        }
        switch list {
        case .nodes: return try await take(NodeObject.self, \.nodes)
        case .pods: return try await take(PodObject.self, \.pods)
        case .deployments: return try await workloads(.deployment)
        case .statefulSets: return try await workloads(.statefulSet)
        case .daemonSets: return try await workloads(.daemonSet)
        case .replicaSets: return try await workloads(.replicaSet)
        case .jobs: return try await workloads(.job)
        case .cronJobs: return try await workloads(.cronJob)
        case .budgets:
            let (items, reading) = try await budgetList(now: now)
            objects.budgets += items
            return reading
        case .horizontalAutoscalers: return try await take(HorizontalAutoscalerObject.self, \.autoscalers)
        case .verticalAutoscalers: return try await take(VerticalAutoscalerObject.self, \.autoscalers)
        case .scaledObjects: return try await take(ScaledObject.self, \.autoscalers)
        case .volumes: return try await take(PersistentVolumeObject.self, \.volumes)
        case .claims: return try await take(VolumeClaimObject.self, \.claims)
        case .storageClasses: return try await take(StorageClassObject.self, \.storageClasses)
        case .attachments: return try await take(VolumeAttachmentObject.self, \.attachments)
        case .volumeLimits: return try await take(CSINodeObject.self, \.volumeLimits)
        case .snapshotContents: return try await take(SnapshotContentObject.self, \.snapshotContents)
        case .priorityClasses: return try await take(PriorityClassObject.self, \.priorityClasses)
        case .namespaces: return try await take(NamespaceObject.self, \.namespaces)
        case .limitRanges:
            let (items, reading) = try await all(LimitRangeObject.self)
            objects.limitRanges += items.flatMap { $0 }
            return reading
        case .quotas: return try await take(ResourceQuotaObject.self, \.quotas)
        case .services: return try await take(ServiceObject.self, \.services)
        case .endpoints: return try await take(EndpointSliceObject.self, \.endpoints)
        case .usage: return try await take(PodMetricsObject.self, \.usage)
        }
    }

    /// Every budget that covers anything, by `policy/v1` and, where the server is older than that, `policy/v1beta1`.
    func budgetList(now: Date) async throws -> (items: [PodDisruptionBudget], reading: ListReading) {
        do {
            let found = try await client.list(Mapped<BudgetObject>.self, .podDisruptionBudgets, options: options)
            return (found.items.compactMap(\.value), ListReading(.budgets, of: found, now: now))
        } catch let error as KubernetesError where error.status == 404 {
            let found = try await client.list(
                Mapped<BetaBudgetObject>.self, .betaPodDisruptionBudgets, options: options)
            return (found.items.compactMap(\.value), ListReading(.budgets, of: found, now: now))
        }
    }
}

extension ListReading {
    init<Object>(_ list: ClusterList, of found: ObjectList<Object>, now: Date) {
        self.init(
            list, found.unreadable.isEmpty ? .complete : .partial, count: found.items.count,
            resourceVersion: found.resourceVersion, readAt: now, unreadable: found.unreadable.count,
            problem: found.unreadable.first?.reason ?? "")
    }
}

extension ResourceKind {
    /// The kind behind a list of a snapshot.
    static func of(_ list: ClusterList) -> ResourceKind {
        switch list {
        case .nodes: .nodes
        case .pods: .pods
        case .deployments: .deployments
        case .statefulSets: .statefulSets
        case .daemonSets: .daemonSets
        case .replicaSets: .replicaSets
        case .jobs: ResourceKind(group: "batch", version: "v1", plural: "jobs")
        case .cronJobs: ResourceKind(group: "batch", version: "v1", plural: "cronjobs")
        case .budgets: .podDisruptionBudgets
        case .horizontalAutoscalers:
            ResourceKind(group: "autoscaling", version: "v2", plural: "horizontalpodautoscalers")
        case .verticalAutoscalers:
            ResourceKind(group: "autoscaling.k8s.io", version: "v1", plural: "verticalpodautoscalers")
        case .scaledObjects: ResourceKind(group: "keda.sh", version: "v1alpha1", plural: "scaledobjects")
        case .volumes: .persistentVolumes
        case .claims: .persistentVolumeClaims
        case .storageClasses: ResourceKind(group: "storage.k8s.io", version: "v1", plural: "storageclasses")
        case .attachments: .volumeAttachments
        case .volumeLimits: ResourceKind(group: "storage.k8s.io", version: "v1", plural: "csinodes")
        case .snapshotContents:
            ResourceKind(group: "snapshot.storage.k8s.io", version: "v1", plural: "volumesnapshotcontents")
        case .priorityClasses: .priorityClasses
        case .namespaces: .namespaces
        case .limitRanges: ResourceKind(group: "", version: "v1", plural: "limitranges")
        case .quotas: ResourceKind(group: "", version: "v1", plural: "resourcequotas")
        case .services: ResourceKind(group: "", version: "v1", plural: "services")
        case .endpoints: ResourceKind(group: "discovery.k8s.io", version: "v1", plural: "endpointslices")
        case .usage: ResourceKind(group: "metrics.k8s.io", version: "v1beta1", plural: "pods")
        }
    }
}
