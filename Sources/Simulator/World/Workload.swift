/// The JSON of the workloads of a blueprint.
enum Workload {
    static func podSpec(image: String, cpu: String, memory: String, graceSeconds: Int) -> JSONValue {
        [
            "containers": [
                [
                    "name": "main", "image": .string(image),
                    "resources": [
                        "requests": ["cpu": .string(cpu), "memory": .string(memory)],
                        "limits": ["memory": .string(memory)],
                    ],
                    "ports": [["name": "http", "containerPort": 8080, "protocol": "TCP"]],
                ]
            ],
            "terminationGracePeriodSeconds": .integer(graceSeconds),
        ]
    }

    private static func metadata(_ name: String, _ namespace: String, app: String? = nil) -> JSONValue {
        [
            "name": .string(name), "namespace": .string(namespace),
            "labels": ["app": .string(app ?? name), "app.kubernetes.io/name": .string(app ?? name)],
        ]
    }

    private static func selector(_ app: String) -> JSONValue { ["matchLabels": ["app": .string(app)]] }

    private static func template(_ name: String, _ spec: JSONValue) -> JSONValue {
        ["metadata": ["labels": ["app": .string(name), "app.kubernetes.io/name": .string(name)]], "spec": spec]
    }

    static func deployment(name: String, namespace: String, replicas: Int, spec: JSONValue) -> JSONValue {
        [
            "metadata": metadata(name, namespace),
            "spec": [
                "replicas": .integer(replicas), "selector": selector(name), "template": template(name, spec),
                "strategy": ["type": "RollingUpdate", "rollingUpdate": ["maxSurge": "25%", "maxUnavailable": "25%"]],
                "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
            ],
        ]
    }

    static func statefulSet(name: String, namespace: String, replicas: Int, spec: JSONValue) -> JSONValue {
        var spec = spec
        var container = spec["containers"].array[0]
        container["volumeMounts"] = [["name": "data", "mountPath": "/data"]]
        spec["containers"] = [container]
        return [
            "metadata": metadata(name, namespace),
            "spec": [
                "replicas": .integer(replicas), "selector": selector(name), "template": template(name, spec),
                "serviceName": .string(name), "podManagementPolicy": "Parallel",
                "updateStrategy": ["type": "RollingUpdate", "rollingUpdate": ["partition": 0]],
                "volumeClaimTemplates": [
                    [
                        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": ["name": "data"],
                        "spec": [
                            "accessModes": ["ReadWriteOnce"], "storageClassName": "gp3",
                            "resources": ["requests": ["storage": "20Gi"]],
                        ],
                    ]
                ],
            ],
        ]
    }

    static func daemonSet(name: String, namespace: String, spec: JSONValue) -> JSONValue {
        [
            "metadata": metadata(name, namespace),
            "spec": [
                "selector": selector(name), "template": template(name, spec), "revisionHistoryLimit": 10,
                "updateStrategy": ["type": "RollingUpdate", "rollingUpdate": ["maxUnavailable": 1, "maxSurge": 0]],
            ],
        ]
    }

    static func cronJob(name: String, namespace: String, schedule: String, spec: JSONValue) -> JSONValue {
        var spec = spec
        spec["restartPolicy"] = "OnFailure"
        return [
            "metadata": metadata(name, namespace),
            "spec": [
                "schedule": .string(schedule), "timeZone": "Etc/UTC", "concurrencyPolicy": "Forbid", "suspend": false,
                "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1,
                "jobTemplate": ["spec": ["backoffLimit": 2, "template": template(name, spec)]],
            ],
            "status": .object([:]),
        ]
    }

    static func budget(name: String, namespace: String, _ bound: JSONValue, app: String? = nil) -> JSONValue {
        var spec = bound
        spec["selector"] = selector(app ?? name)
        return ["metadata": metadata(name, namespace, app: app), "spec": spec]
    }

    static func service(name: String, namespace: String, number: Int) -> JSONValue {
        [
            "metadata": metadata(name, namespace),
            "spec": [
                "type": "ClusterIP", "clusterIP": .string("172.20.\(number / 250).\(number % 250 + 2)"),
                "clusterIPs": [.string("172.20.\(number / 250).\(number % 250 + 2)")],
                "selector": ["app": .string(name)],
                "ports": [["name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"]],
                "sessionAffinity": "None",
                "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster",
            ],
            "status": ["loadBalancer": .object([:])],
        ]
    }

    static func autoscaler(name: String, namespace: String, replicas: Int) -> JSONValue {
        let metric: JSONValue = [
            "type": "Resource",
            "resource": ["name": "cpu", "target": ["type": "Utilization", "averageUtilization": 70]],
        ]
        return [
            "metadata": metadata(name, namespace),
            "spec": [
                "scaleTargetRef": ["apiVersion": "apps/v1", "kind": "Deployment", "name": .string(name)],
                "minReplicas": .integer(max(1, replicas / 2)), "maxReplicas": .integer(replicas * 2),
                "metrics": [metric],
            ],
            "status": [
                "currentReplicas": .integer(replicas), "desiredReplicas": .integer(replicas), "conditions": .array([]),
            ],
        ]
    }

    static func zoneSpread(_ name: String) -> JSONValue {
        [
            [
                "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": selector(name),
            ]
        ]
    }

    static func antiAffinity(_ name: String) -> JSONValue {
        [
            "podAntiAffinity": [
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    ["labelSelector": selector(name), "topologyKey": "kubernetes.io/hostname"]
                ]
            ]
        ]
    }
}
