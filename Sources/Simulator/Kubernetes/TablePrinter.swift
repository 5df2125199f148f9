import Foundation

/// The Table form that kubectl asks for, with the columns a person expects of the common kinds.
enum TablePrinter {
    static func isWanted(_ accept: String) -> Bool { accept.contains("as=Table") && accept.contains("v=v1;") }

    static func table(_ objects: [JSONValue], kind: ResourceKind, version: Int, now: Date) -> JSONValue {
        let columns = columns(kind) + [("Age", { age($0, now) })]
        return [
            "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": ["resourceVersion": .string(String(version))],
            "columnDefinitions": .array(
                ([("Name", "name")] + columns.map { ($0.0, "") }).map {
                    [
                        "name": .string($0.0), "type": "string", "format": .string($0.1), "description": "",
                        "priority": 0,
                    ]
                }),
            "rows": .array(
                objects.map { object in
                    [
                        "cells": .array([object["metadata"]["name"]] + columns.map { .string($0.1(object)) }),
                        "object": [
                            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                            "metadata": object["metadata"],
                        ],
                    ]
                }),
        ]
    }

    private typealias Column = (String, (JSONValue) -> String)

    private static func columns(_ kind: ResourceKind) -> [Column] {
        switch kind.id {
        case "nodes":
            return [
                ("Status", nodeStatus), ("Roles", { _ in "<none>" }),
                ("Version", { text($0["status"]["nodeInfo"]["kubeletVersion"]) }),
            ]
        case "pods":
            return [
                ("Ready", readyContainers), ("Status", podStatus), ("Restarts", { _ in "0" }),
                ("Node", { text($0["spec"]["nodeName"]) }),
            ]
        case "apps/deployments", "apps/statefulsets":
            return [("Ready", { "\(number($0["status"]["readyReplicas"]))/\(number($0["spec"]["replicas"]))" })]
        case "apps/replicasets":
            return [
                ("Desired", { number($0["spec"]["replicas"]) }), ("Current", { number($0["status"]["replicas"]) }),
                ("Ready", { number($0["status"]["readyReplicas"]) }),
            ]
        case "apps/daemonsets":
            return [
                ("Desired", { number($0["status"]["desiredNumberScheduled"]) }),
                ("Ready", { number($0["status"]["numberReady"]) }),
            ]
        case "policy/poddisruptionbudgets":
            return [
                ("Min Available", { text($0["spec"]["minAvailable"]) }),
                ("Max Unavailable", { text($0["spec"]["maxUnavailable"]) }),
                ("Allowed Disruptions", { number($0["status"]["disruptionsAllowed"]) }),
            ]
        case "namespaces", "persistentvolumes", "persistentvolumeclaims":
            return [("Status", { text($0["status"]["phase"]) })]
        default: return []
        }
    }

    private static func text(_ value: JSONValue) -> String {
        value.string ?? value.int.map { String($0) } ?? "<none>"
    }

    private static func number(_ value: JSONValue) -> String { String(value.int ?? 0) }

    private static func nodeStatus(_ node: JSONValue) -> String {
        let isReady = node["status"]["conditions"].array.contains { $0["type"] == "Ready" && $0["status"] == "True" }
        return (isReady ? "Ready" : "NotReady") + (node["spec"]["unschedulable"] == true ? ",SchedulingDisabled" : "")
    }

    private static func readyContainers(_ pod: JSONValue) -> String {
        let statuses = pod["status"]["containerStatuses"].array
        return "\(statuses.count { $0["ready"] == true })/\(pod["spec"]["containers"].array.count)"
    }

    private static func podStatus(_ pod: JSONValue) -> String {
        pod["metadata"]["deletionTimestamp"].isNull ? text(pod["status"]["phase"]) : "Terminating"
    }

    private static func age(_ object: JSONValue, _ now: Date) -> String {
        guard let created = object["metadata"]["creationTimestamp"].string.flatMap(Timestamp.parse) else {
            return "<unknown>"
        }
        let seconds = max(0, Int(now.timeIntervalSince(created)))
        switch seconds {
        case ..<120: return "\(seconds)s"
        case ..<7200: return "\(seconds / 60)m"
        case ..<172_800: return "\(seconds / 3600)h"
        default: return "\(seconds / 86400)d"
        }
    }
}
