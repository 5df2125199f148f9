import Foundation
import Infrastructure

/// What pods are made from, narrowed as pods are.
struct PodTemplateObject: Decodable, Sendable, Equatable {
    var spec: PodSpecObject?
}

/// A Deployment, StatefulSet, ReplicaSet, DaemonSet, Job or CronJob: its size, whose pods it owns, and of its template what
/// pods are narrowed to.
struct WorkloadObject: DomainObject, Equatable {
    struct JobTemplate: Decodable, Sendable, Equatable {
        struct Spec: Decodable, Sendable, Equatable {
            var template: PodTemplateObject?
        }
        var spec: Spec?
    }
    struct Strategy: Decodable, Sendable, Equatable {
        var type: String?
    }
    struct ClaimRetention: Decodable, Sendable, Equatable {
        var whenScaled: String?
    }
    struct Spec: Decodable, Sendable, Equatable {
        var replicas: Int32?
        var selector: LabelSelectorObject?
        var template: PodTemplateObject?
        var jobTemplate: JobTemplate?
        var paused: Bool?
        var suspend: Bool?
        var schedule: String?
        var timeZone: String?
        var strategy: Strategy?
        var updateStrategy: Strategy?
        var persistentVolumeClaimRetentionPolicy: ClaimRetention?
    }
    struct Status: Decodable, Sendable, Equatable {
        var observedGeneration: Int64?
        var readyReplicas: Int32?
        var updatedReplicas: Int32?
        var desiredNumberScheduled: Int32?
        var numberReady: Int32?
        var updatedNumberScheduled: Int32?
    }
    var metadata: ObjectMetadata
    var spec: Spec?
    var status: Status?

    /// In the product's words, but for the kind, which items of lists do not tell: `Workload.of` sets it.
    func domain() throws -> Workload {
        if spec?.selector != nil, spec?.selector?.selector == nil {
            throw UnmappedObject(field: "spec.selector.matchExpressions.operator")
        }
        var workload = Workload(
            .deployment, namespace: metadata.space, name: metadata.name, uid: metadata.uid, owner: metadata.controller)
        workload.resourceVersion = metadata.resourceVersion
        workload.replicas = spec?.replicas.map(Int.init)
        workload.readyReplicas = Int(status?.readyReplicas ?? status?.numberReady ?? 0)
        workload.updatedReplicas = Int(status?.updatedReplicas ?? status?.updatedNumberScheduled ?? 0)
        workload.desiredScheduled = Int(status?.desiredNumberScheduled ?? 0)
        workload.isObserved = (status?.observedGeneration ?? metadata.generation ?? 0) >= (metadata.generation ?? 0)
        workload.isSuspended = spec?.suspend ?? spec?.paused ?? false
        workload.schedule = spec?.schedule
        workload.timeZone = spec?.timeZone
        workload.selector = spec?.selector?.selector
        workload.updateStrategy = spec?.strategy?.type ?? spec?.updateStrategy?.type
        workload.deletesClaimsWhenScaled = spec?.persistentVolumeClaimRetentionPolicy?.whenScaled == "Delete"
        workload.labels = metadata.labels
        workload.annotations = metadata.annotations
        workload.gitOps = metadata.gitOps
        workload.createdAt = metadata.creationTimestamp?.date ?? Date(timeIntervalSince1970: 0)
        // A Deployment keeps its last ten ReplicaSets; their templates are its own, and older ones.
        if metadata.controller?.kind != "Deployment",
            let template = (spec?.jobTemplate?.spec?.template ?? spec?.template)?.spec
        {
            workload.template = template.spec.allContainers(nil)
            workload.podRequests = Infrastructure.Resources(
                template.spec.effectiveRequests(nil), pods: 1)
            workload.placement = template.spec.placement(
                podName: metadata.name, unknownFields: template.unknownFields)
            workload.tolerations = template.spec.tolerationList
        }
        return workload
    }
}

extension Workload {
    /// As of that kind.
    func of(_ kind: WorkloadKind) -> Workload {
        var workload = self
        workload.kind = kind
        switch kind {
        // The API server fills a missing number with 1.
        case .deployment, .statefulSet, .replicaSet: workload.replicas = replicas ?? 1
        case .daemonSet, .job, .cronJob: workload.replicas = nil
        }
        return workload
    }
}
