import Foundation
import Infrastructure
import Logging
import Synchronization
import Testing

@testable import Kubernetes

@Suite("The allow-list of a pod's fields")
struct AllowListTests {
    /// The texts of a pod that are kept, by their path. Anything new here is a decision, not an accident.
    static let kept: Set<String> = [
        // Keys of labels and of selectors.
        "key",
        "metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels",
        "metadata.ownerReferences.kind", "metadata.ownerReferences.name", "metadata.ownerReferences.uid",
        "spec.nodeName", "spec.nodeSelector", "spec.priorityClassName", "spec.schedulerName",
        "spec.schedulingGates.name", "spec.containers.name", "spec.initContainers.name",
        "spec.containers.ports.hostIP", "spec.containers.ports.protocol", "spec.initContainers.ports.hostIP",
        "spec.initContainers.ports.protocol",
        "spec.tolerations.key", "spec.tolerations.operator", "spec.tolerations.value", "spec.tolerations.effect",
        "spec.volumes.persistentVolumeClaim.claimName", "spec.topologySpreadConstraints.topologyKey",
        "spec.topologySpreadConstraints.matchLabelKeys",
        "spec.topologySpreadConstraints.labelSelector.matchLabels", "status.nominatedNodeName", "status.podIP",
    ]

    private func plantedTexts(_ value: some Encodable) throws -> Set<String> {
        let text = String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
        return Set(text.matches(of: /planted-([A-Za-z.]+)/).map { String($0.1) })
    }

    @Test("a secret in every text of a pod is kept nowhere but in the fields that placement needs")
    func everyField() throws {
        // A status is found by its container's name.
        let json = try PlantedPod.json()
            .replacing("planted-status.containerStatuses.name", with: "planted-spec.containers.name")
            .replacing("planted-status.initContainerStatuses.name", with: "planted-spec.initContainers.name")
        // The generator reaches the fields that matter most.
        for path in [
            "spec.containers.env.value", "spec.containers.args", "spec.containers.image", "metadata.annotations",
            "spec.volumes.secret.secretName", "spec.imagePullSecrets.name", "spec.containers.envFrom.secretRef.name",
            "status.containerStatuses.lastState.terminated.message",
            "spec.containers.livenessProbe.httpGet.httpHeaders",
        ] { #expect(json.contains("planted-\(path)"), "\(path)") }
        let pod = try JSONDecoder().decode(Mapped<PodObject>.self, from: Data(json.utf8)).value
        let found = try plantedTexts(pod)
        // A volume of every kind at once has no claim; a claim's name has a test of its own. Selectors with operators
        // that we do not know are named, not kept.
        let affinity = found.filter { $0.hasPrefix("spec.affinity.") }
        #expect(
            affinity.allSatisfy {
                $0.hasSuffix("topologyKey") || $0.contains("matchLabel") || $0.contains("amespace")
                    || $0.contains("matchFields") || $0.contains("matchExpressions")
            })
        #expect(found.subtracting(affinity).subtracting(Self.kept) == [])
        #expect(found.isSuperset(of: ["metadata.name", "spec.nodeName", "spec.containers.name"]), "the search finds")
        #expect(pod.annotations.isEmpty)
        #expect(pod.containers.first?.lastTermination?.reason == "Other", "a reason that we do not know is not kept")
    }

    @Test("what cannot be decoded is logged by its field, never by what stood there")
    func logs() async throws {
        let written = Mutex<[String]>([])
        let logger = Logger(label: "test") { _ in Recorder(written: { line in written.withLock { $0.append(line) } }) }
        let server = RecordedServer([
            .answer(
                200,
                #"{"metadata":{},"items":[{"metadata":{"name":"p","namespace":"n"},"spec":{"containers":[{"name":"c","env":[{"name":"A","value":"planted"}],"resources":{"requests":{"cpu":"planted-quantity"}}}]}}]}"#
            )
        ])
        let cluster = RemoteCluster(try server.client(), logger: logger)
        #expect(try await cluster.pods().isEmpty)
        let lines = written.withLock { $0 }
        #expect(lines.count == 1 && lines[0].contains("cpu: not a Kubernetes quantity"), "\(lines)")
        #expect(!lines.joined().contains("planted"))
    }

    @Test("fields of the spec that a newer Kubernetes brings make the pod unmovable by name; words of no name stay out")
    func unknownFields() throws {
        let json = #"""
            {"metadata":{"name":"a"},"spec":{"containers":[],"workloadRef":{"name":"gang"},"hunter2 !":{},
            "resourceClaims":[{"name":"gpu"}],"affinity":{"futureAffinity":{},"nodeAffinity":
            {"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":
            [{"key":"a","operator":"Near","values":["b"]}],"matchMoons":[]}]}}},
            "topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"z","whenUnsatisfiable":"Sometimes"}]}}
            """#
        let pod = try JSONDecoder().decode(PodObject.self, from: Data(json.utf8)).pod
        #expect(
            pod.placement.unknownConstraints == [
                "affinity.futureAffinity", "affinity.matchMoons", "affinity.nodeAffinity.operator", "resourceClaims",
                "topologySpreadConstraints.whenUnsatisfiable", "unnamed", "workloadRef",
            ])
    }

    @Test("placement rules are read as they are written")
    func placement() throws {
        let json = #"""
            {"metadata":{"name":"web-0","namespace":"n"},"spec":{"containers":[{"name":"c","ports":[{"containerPort":80},
            {"containerPort":81,"hostPort":8081},{"containerPort":53,"hostPort":53,"protocol":"UDP","hostIP":"10.0.0.1"}]}],
            "schedulerName":"other","schedulingGates":[{"name":"g"}],"priority":7,"nodeSelector":{"disk":"ssd"},
            "affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
            {"matchExpressions":[{"key":"cpu","operator":"Gt","values":["4"]}],"matchFields":[{"key":"metadata.name","operator":"In","values":["n1"]}]}]}},
            "podAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":5,"podAffinityTerm":{"topologyKey":"zone",
            "labelSelector":{"matchLabels":{"app":"db"}},"namespaceSelector":{}}}]},
            "podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"host","namespaces":["x"],
            "labelSelector":{"matchExpressions":[{"key":"app","operator":"NotIn","values":["a"]}]},"matchLabelKeys":["pod-template-hash"]}]}},
            "topologySpreadConstraints":[{"maxSkew":2,"topologyKey":"zone","whenUnsatisfiable":"ScheduleAnyway","minDomains":3,
            "nodeAffinityPolicy":"Ignore","nodeTaintsPolicy":"Honor","labelSelector":{"matchLabels":{"app":"web"}}}],
            "volumes":[{"name":"a","persistentVolumeClaim":{"claimName":"data"}},{"name":"scratch","ephemeral":{"volumeClaimTemplate":{}}},
            {"name":"b","emptyDir":{}}]},
            "status":{"phase":"Failed","reason":"Evicted","qosClass":"Burstable","nominatedNodeName":"n9"}}
            """#
        let pod = try JSONDecoder().decode(PodObject.self, from: Data(json.utf8)).pod
        let rules = pod.placement
        #expect(rules.unknownConstraints == [] && rules.schedulerName == "other" && rules.schedulingGates == ["g"])
        #expect(rules.hostPorts == [HostPort(port: 8081), HostPort(port: 53, protocol: "UDP", address: "10.0.0.1")])
        #expect(rules.volumes.map(\.claim) == ["data", "web-0-scratch", nil])
        #expect(rules.requiredNodeTerms?.first?.matches(nodeName: "n1", labels: ["cpu": "8"]) == true)
        #expect(rules.requiredNodeTerms?.first?.matches(nodeName: "n1", labels: ["cpu": "4"]) == false)
        #expect(rules.requiredNodeTerms?.first?.matches(nodeName: "n2", labels: ["cpu": "8"]) == false)
        #expect(rules.preferredAffinity.first?.weight == 5)
        #expect(rules.preferredAffinity.first?.term.namespaceSelector?.isEmpty == true)
        #expect(rules.requiredAntiAffinity.first?.matchLabelKeys == ["pod-template-hash"])
        #expect(rules.requiredAntiAffinity.first?.selector?.matches([:]) == true)
        #expect(
            rules.topologySpread == [
                TopologySpread(
                    maxSkew: 2, topologyKey: "zone", isRequired: false,
                    selector: LabelSelector(matchLabels: ["app": "web"]), minDomains: 3, honorsNodeAffinity: false,
                    honorsNodeTaints: true)
            ])
        #expect(pod.priority == 7 && pod.wasEvicted && pod.nominatedNode == "n9")
        #expect(pod.qualityOfService == .burstable && rules.nodeSelector == ["disk": "ssd"])
    }
}

/// Hands every line on, with its metadata.
private struct Recorder: LogHandler {
    var written: @Sendable (String) -> Void
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
    func log(event: LogEvent) { written("\(event.message) \(event.metadata ?? [:])") }
}
