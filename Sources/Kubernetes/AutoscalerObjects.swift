import Infrastructure

/// What an autoscaler sizes.
struct ScaleTargetObject: Decodable, Sendable, Equatable {
    var kind: String?
    var name: String
}

/// `autoscaling/v2` HorizontalPodAutoscaler.
struct HorizontalAutoscalerObject: DomainObject, Equatable {
    struct Target: Decodable, Sendable, Equatable {
        var type: String
    }
    struct Source: Decodable, Sendable, Equatable {
        /// A resource's name; metrics of pods and objects have a name of their own making, which is not read.
        var name: String?
        var target: Target?
    }
    struct Metric: Decodable, Sendable, Equatable {
        var type: String
        var resource: Source?
        var containerResource: Source?
    }
    struct Spec: Decodable, Sendable, Equatable {
        var scaleTargetRef: ScaleTargetObject
        var minReplicas: Int32?
        var maxReplicas: Int32?
        var metrics: [Metric]?
    }
    struct Status: Decodable, Sendable, Equatable {
        var currentReplicas: Int32?
        var desiredReplicas: Int32?
    }
    var metadata: ObjectMetadata
    var spec: Spec
    var status: Status?

    func domain() -> Autoscaler {
        var scaler = Autoscaler(
            .horizontal, namespace: metadata.space, name: metadata.name, uid: metadata.uid,
            targetKind: spec.scaleTargetRef.kind ?? "", targetName: spec.scaleTargetRef.name,
            minReplicas: spec.minReplicas.map(Int.init), maxReplicas: spec.maxReplicas.map(Int.init))
        scaler.resourceVersion = metadata.resourceVersion
        scaler.currentReplicas = status?.currentReplicas.map(Int.init)
        scaler.desiredReplicas = status?.desiredReplicas.map(Int.init)
        scaler.annotations = metadata.annotations
        scaler.metrics = (spec.metrics ?? []).map { metric in
            let source = metric.resource ?? metric.containerResource
            return AutoscalerMetric(
                source: metric.type, resource: source?.name, target: source?.target?.type ?? "Value")
        }
        return scaler
    }
}

/// `autoscaling.k8s.io/v1` VerticalPodAutoscaler.
struct VerticalAutoscalerObject: DomainObject, Equatable {
    struct UpdatePolicy: Decodable, Sendable, Equatable {
        var updateMode: String?
    }
    struct Spec: Decodable, Sendable, Equatable {
        var targetRef: ScaleTargetObject?
        var updatePolicy: UpdatePolicy?
    }
    var metadata: ObjectMetadata
    var spec: Spec

    func domain() -> Autoscaler {
        var scaler = Autoscaler(
            .vertical, namespace: metadata.space, name: metadata.name, uid: metadata.uid,
            targetKind: spec.targetRef?.kind ?? "", targetName: spec.targetRef?.name ?? "")
        scaler.resourceVersion = metadata.resourceVersion
        scaler.updateMode = spec.updatePolicy?.updateMode
        scaler.annotations = metadata.annotations
        return scaler
    }
}

/// `keda.sh/v1alpha1` ScaledObject; of its triggers no metadata is read, which may hold connection strings.
struct ScaledObject: DomainObject, Equatable {
    struct Trigger: Decodable, Sendable, Equatable {
        var type: String
        var metricType: String?
    }
    struct Spec: Decodable, Sendable, Equatable {
        var scaleTargetRef: ScaleTargetObject
        var minReplicaCount: Int32?
        var maxReplicaCount: Int32?
        var triggers: [Trigger]?
    }
    var metadata: ObjectMetadata
    var spec: Spec

    func domain() -> Autoscaler {
        var scaler = Autoscaler(
            .keda, namespace: metadata.space, name: metadata.name, uid: metadata.uid,
            targetKind: spec.scaleTargetRef.kind ?? "Deployment", targetName: spec.scaleTargetRef.name,
            minReplicas: spec.minReplicaCount.map(Int.init), maxReplicas: spec.maxReplicaCount.map(Int.init))
        scaler.resourceVersion = metadata.resourceVersion
        scaler.annotations = metadata.annotations
        scaler.metrics = (spec.triggers ?? []).map { trigger in
            AutoscalerMetric(
                source: trigger.type, resource: ["cpu", "memory"].contains(trigger.type) ? trigger.type : nil,
                target: trigger.metricType
                    ?? (["cpu", "memory"].contains(trigger.type) ? "Utilization" : "AverageValue"))
        }
        return scaler
    }
}
