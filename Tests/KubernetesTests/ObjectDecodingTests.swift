import Foundation
import Infrastructure
import Testing

@testable import Kubernetes

@Suite("Objects of the API")
struct ObjectDecodingTests {
    static func decode<Value: Decodable>(_ type: Value.Type, _ json: String) throws -> Value {
        try AnswerReading.decode(type, Array(json.utf8), subject: "test")
    }

    static let node = """
        {"kind":"Node","apiVersion":"v1","metadata":{"name":"ip-10-0-1-7.ec2.internal","uid":"n-1","resourceVersion":"77",
        "creationTimestamp":"2026-11-01T10:00:00Z","managedFields":[{"manager":"kubelet","fieldsV1":{"f:x":{}}}],
        "labels":{"topology.kubernetes.io/zone":"us-east-1a","node.kubernetes.io/instance-type":"m5.large"},
        "annotations":{"cloudoptim.io/by":"cordon/c/n-1","karpenter.sh/do-not-disrupt":"true",
        "csi.volume.kubernetes.io/nodeid":"planted","cluster-autoscaler.kubernetes.io/scale-down-disabled":"true"}},
        "spec":{"providerID":"aws:///us-east-1a/i-08736224042c4ee75","unschedulable":true,"podCIDR":"10.0.0.0/24",
        "taints":[{"key":"dedicated","value":"gpu","effect":"NoSchedule"},
        {"key":"node.kubernetes.io/unschedulable","effect":"NoSchedule","timeAdded":"2026-11-01T10:00:00Z"}]},
        "status":{"capacity":{"cpu":"2","memory":"2003824Ki","pods":"11"},
        "allocatable":{"cpu":"1930m","memory":"1471840Ki","pods":"11","ephemeral-storage":"18242267924","hugepages-2Mi":"0"},
        "conditions":[{"type":"MemoryPressure","status":"False"},{"type":"Ready","status":"True",
        "lastTransitionTime":"2026-11-01T10:01:00Z","reason":"KubeletReady"}],
        "nodeInfo":{"kubeletVersion":"v1.31.2","architecture":"amd64","operatingSystem":"linux"},"images":[{"names":["a"]}]}}
        """

    @Test("give a node in the product's words")
    func nodes() throws {
        let node = try Self.decode(NodeObject.self, Self.node).node
        #expect(node.name == "ip-10-0-1-7.ec2.internal" && node.uid == "n-1" && node.resourceVersion == "77")
        #expect(node.instance == "i-08736224042c4ee75" && node.zone == "us-east-1a" && node.instanceType == "m5.large")
        #expect(
            node.annotations.keys.sorted() == [
                "cloudoptim.io/by", "cluster-autoscaler.kubernetes.io/scale-down-disabled",
                "karpenter.sh/do-not-disrupt",
            ])
        #expect(
            node.taints == [
                Taint(key: "dedicated", value: "gpu", effect: "NoSchedule"),
                Taint(key: "node.kubernetes.io/unschedulable", effect: "NoSchedule"),
            ])
        #expect(node.isUnschedulable && node.isReady && !node.isDeleting)
        #expect(
            node.allocatable
                == Resources(cpu: 1930, memory: 1_507_164_160, pods: 11, ephemeralStorage: 18_242_267_924))
        #expect(node.createdAt == Date(timeIntervalSince1970: 1_793_527_200))
    }

    @Test("give a bare node its defaults")
    func bareNode() throws {
        let node = try Self.decode(NodeObject.self, #"{"metadata":{"name":"a","labels":null,"annotations":null}}"#).node
        #expect(node.instance == nil && !node.isReady && !node.isUnschedulable && node.taints.isEmpty)
        let fargate =
            #"{"metadata":{"name":"f"},"spec":{"providerID":"aws:///us-east-1a/0123-abc/fargate-ip-10-0-1-7"}}"#
        #expect(try Self.decode(NodeObject.self, fargate).node.instance == nil)
    }

    static let pod = """
        {"metadata":{"name":"web-0","namespace":"shop","uid":"p-1","resourceVersion":"9","labels":{"app":"web"},
        "annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{planted-annotation}"},
        "deletionTimestamp":"2026-11-01T10:00:30.5Z",
        "ownerReferences":[{"apiVersion":"v1","kind":"Thing","name":"t","uid":"o-0"},
        {"apiVersion":"apps/v1","kind":"StatefulSet","name":"web","uid":"o-1","controller":true}]},
        "spec":{"nodeName":"n1","terminationGracePeriodSeconds":45,"priority":100,"priorityClassName":"high",
        "containers":[{"name":"web","image":"planted-image","command":["planted-command"],"args":["planted-arg"],
        "env":[{"name":"PASSWORD","value":"planted-env"}],"envFrom":[{"secretRef":{"name":"planted-ref"}}],
        "resources":{"requests":{"cpu":"250m","memory":"256Mi"},"limits":{"memory":"512Mi"}},
        "ports":[{"containerPort":80},{"containerPort":443,"hostPort":8443,"protocol":"TCP"}]}],
        "tolerations":[{"key":"dedicated","operator":"Exists"},{"operator":"Exists","effect":"NoExecute","tolerationSeconds":300}],
        "volumes":[{"name":"data","persistentVolumeClaim":{"claimName":"data-web-0"}},{"name":"tmp","emptyDir":{}},
        {"name":"s","secret":{"secretName":"planted-secret-name"}}],
        "affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"kubernetes.io/hostname",
        "labelSelector":{"matchLabels":{"app":"web"}}}]},"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":
        {"nodeSelectorTerms":[{"matchExpressions":[{"key":"zone","operator":"In","values":["a","b"]}]}]},
        "preferredDuringSchedulingIgnoredDuringExecution":[{"weight":10,"preference":{"matchFields":[]}}]}},
        "topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"DoNotSchedule"}]},
        "status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],
        "containerStatuses":[{"name":"web","ready":true,"restartCount":3,"lastState":{"terminated":{"reason":"OOMKilled",
        "exitCode":137,"finishedAt":"2026-11-01T09:00:00Z","message":"planted-message"}}}]}}
        """

    @Test("give a pod in the product's words")
    func pods() throws {
        let object = try Self.decode(PodObject.self, Self.pod)
        let pod = object.pod
        #expect(pod.reference == PodReference(namespace: "shop", name: "web-0", uid: "p-1"))
        #expect(pod.nodeName == "n1" && pod.phase == .running && pod.isReady && !pod.isMirror)
        #expect(pod.ownerKind == "StatefulSet" && pod.ownerUID == "o-1")
        #expect(pod.requests == Resources(cpu: 250, memory: .mebibytes(256), pods: 1))
        #expect(pod.graceSeconds == 45 && pod.priorityClass == "high" && pod.usesVolumeClaim)
        #expect(pod.deletedBy.map { Int($0.timeIntervalSince1970) } == 1_793_527_230)
        #expect(
            pod.tolerations == [
                Toleration(key: "dedicated", operator: "Exists"), Toleration(operator: "Exists", effect: "NoExecute"),
            ])
        #expect(object.hostPorts.map(\.hostPort) == [8443])
        #expect(object.spec.volumes?.map(\.kind) == ["persistentVolumeClaim", "emptyDir", "secret"])
        #expect(object.spec.affinity?.unknownFields == [])
        #expect(object.spec.affinity?.podAntiAffinity?.required?.first?.topologyKey == "kubernetes.io/hostname")
        #expect(object.spec.affinity?.nodeAffinity?.preferred.first?.weight == 10)
        let killed = object.status?.containerStatuses?.first?.lastState?.terminated
        #expect(killed?.reason == "OOMKilled" && killed?.exitCode == 137 && killed?.finishedAt != nil)
    }

    @Test("are never decoded with environment, arguments, images, secrets' names or foreign annotations")
    func allowList() throws {
        let object = try Self.decode(PodObject.self, Self.pod)
        var dumped = ""
        dump(object, to: &dumped)
        #expect(dumped.contains("data-web-0"))
        #expect(!dumped.contains("planted"))
    }

    @Test("with a rule of a newer Kubernetes say so")
    func unknownRules() throws {
        let pod = """
            {"metadata":{"name":"a"},"spec":{"containers":[],"affinity":{"futureAffinity":{},"podAffinity":
            {"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"z","futureKeys":[]}]}},
            "topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"z","whenUnsatisfiable":"DoNotSchedule","future":1}]}}
            """
        let spec = try Self.decode(PodObject.self, pod).spec
        #expect(spec.affinity?.unknownFields == ["futureAffinity", "futureKeys"])
        #expect(spec.topologySpreadConstraints?.first?.unknownFields == ["future"])
    }

    static let requests: [(spec: String, status: String, cpu: Int64, memory: Int64)] = [
        (#""containers":[]"#, "", 0, 0),
        // Containers add up.
        (
            #""containers":[{"name":"a","resources":{"requests":{"cpu":"100m","memory":"10"}}},{"name":"b","resources":{"requests":{"cpu":"0.2"}}}]"#,
            "", 300, 10
        ),
        // One init step larger than all of it; a smaller one in memory.
        (
            #""containers":[{"name":"a","resources":{"requests":{"cpu":"100m","memory":"10"}}}],"initContainers":[{"name":"i","resources":{"requests":{"cpu":"2","memory":"5"}}}]"#,
            "", 2_000, 10
        ),
        // A sidecar runs beside the containers, and beside the init steps after it but not before it.
        (
            #""containers":[{"name":"a","resources":{"requests":{"cpu":"100m"}}}],"initContainers":[{"name":"before","resources":{"requests":{"cpu":"500m"}}},{"name":"s","restartPolicy":"Always","resources":{"requests":{"cpu":"300m"}}},{"name":"after","resources":{"requests":{"cpu":"400m"}}}]"#,
            "", 700, 0
        ),
        // Overhead comes on top.
        (
            #""containers":[{"name":"a","resources":{"requests":{"cpu":"100m"}}}],"overhead":{"cpu":"250m","memory":"120Mi"}"#,
            "", 350, 125_829_120
        ),
        // The pod's own requests replace the containers' sum, resource by resource.
        (
            #""containers":[{"name":"a","resources":{"requests":{"cpu":"100m","memory":"7"}}}],"resources":{"requests":{"cpu":"1"}}"#,
            "", 1_000, 7
        ),
        // A limit without a request is the request.
        (
            #""containers":[{"name":"a","resources":{"limits":{"cpu":"400m","memory":"9"},"requests":{"memory":"8"}}}]"#,
            "", 400, 8
        ),
        // While a resize is under way the larger counts.
        (
            #""containers":[{"name":"a","resources":{"requests":{"cpu":"100m","memory":"9"}}}]"#,
            #""containerStatuses":[{"name":"a","allocatedResources":{"cpu":"150m","memory":"5"}}]"#, 150, 9
        ),
        // Sums stay within 2^63-1.
        (
            #""containers":[{"name":"a","resources":{"requests":{"memory":"8Ei"}}},{"name":"b","resources":{"requests":{"memory":"8Ei"}}}]"#,
            "", 0, .max
        ),
    ]

    @Test("of the kind pod count as the scheduler counts them", arguments: requests)
    func effective(_ row: (spec: String, status: String, cpu: Int64, memory: Int64)) throws {
        let json = #"{"metadata":{"name":"a"},"spec":{\#(row.spec)},"status":{\#(row.status)}}"#
        let pod = try Self.decode(PodObject.self, json).pod
        #expect(
            pod.requests == Resources(cpu: MilliCPU(rawValue: row.cpu), memory: Bytes(rawValue: row.memory), pods: 1))
    }

    @Test("of the kind pod that are static show as mirrors")
    func mirrors() throws {
        let byAnnotation =
            #"{"metadata":{"name":"a","annotations":{"kubernetes.io/config.mirror":"x"}},"spec":{"containers":[]}}"#
        let byOwner =
            #"{"metadata":{"name":"a","ownerReferences":[{"apiVersion":"v1","kind":"Node","name":"n","uid":"u","controller":true}]},"spec":{"containers":[]}}"#
        #expect(try Self.decode(PodObject.self, byAnnotation).pod.isMirror)
        #expect(try Self.decode(PodObject.self, byOwner).pod.isMirror)
    }

    @Test("give budgets; a stale status allows nothing, and no selector covers nothing")
    func budgets() throws {
        func budget(_ generation: Int, _ spec: String) throws -> PodDisruptionBudget? {
            try Self.decode(
                BudgetObject.self,
                #"{"metadata":{"name":"b","namespace":"n","generation":\#(generation)},"spec":{\#(spec)},"status":{"disruptionsAllowed":2,"observedGeneration":3}}"#
            ).budget
        }
        let selector = #""selector":{"matchLabels":{"app":"web"}},"minAvailable":"50%""#
        #expect(
            try budget(3, selector)
                == PodDisruptionBudget(
                    namespace: "n", name: "b", disruptionsAllowed: 2,
                    selector: LabelSelector(matchLabels: ["app": "web"]), minAvailable: .percent(50)))
        #expect(try budget(4, selector)?.disruptionsAllowed == 0)
        #expect(try budget(3, #""maxUnavailable":1"#) == nil)
        #expect(
            try budget(3, #""selector":{"matchExpressions":[{"key":"a","operator":"Exists"}]}"#)?.selector.matches([
                "a": ""
            ])
                == true
        )
    }

    @Test("tell the EBS volume behind a persistent volume, by either driver")
    func volumes() throws {
        func id(_ spec: String) throws -> String? {
            try Self.decode(PersistentVolumeObject.self, #"{"metadata":{"name":"pv"},"spec":{\#(spec)}}"#).volumeID
        }
        #expect(try id(#""csi":{"driver":"ebs.csi.aws.com","volumeHandle":"vol-1"}"#) == "vol-1")
        #expect(try id(#""csi":{"driver":"ebs.csi.eks.amazonaws.com","volumeHandle":"vol-2"}"#) == "vol-2")
        #expect(try id(#""csi":{"driver":"efs.csi.aws.com","volumeHandle":"fs-1"}"#) == nil)
        #expect(try id(#""awsElasticBlockStore":{"volumeID":"aws://us-east-1a/vol-3"}"#) == "vol-3")
        #expect(try id(#""awsElasticBlockStore":{"volumeID":"vol-4"}"#) == "vol-4")
    }

    @Test("of the other kinds are read")
    func others() throws {
        let set = try Self.decode(
            WorkloadObject.self,
            #"{"metadata":{"name":"w","generation":2},"spec":{"replicas":3,"selector":{"matchLabels":{"a":"b"}},"template":{"spec":{"containers":[{"name":"c","image":"planted"}]}}},"status":{"readyReplicas":1}}"#
        )
        #expect(
            set.spec?.replicas == 3 && set.status?.readyReplicas == 1 && set.spec?.selector?.matchLabels == ["a": "b"])
        let attachment = try Self.decode(
            VolumeAttachmentObject.self,
            #"{"metadata":{"name":"v"},"spec":{"attacher":"ebs.csi.aws.com","nodeName":"n","source":{"persistentVolumeName":"pv"}},"status":{"attached":true}}"#
        )
        #expect(attachment.spec.source.persistentVolumeName == "pv" && attachment.status?.attached == true)
        #expect(try Self.decode(PriorityClassObject.self, #"{"metadata":{"name":"p"},"value":-5}"#).value == -5)
        #expect(
            try Self.decode(NamespaceObject.self, #"{"metadata":{"name":"n"},"status":{"phase":"Active"}}"#).status?
                .phase == "Active")
        let claim = try Self.decode(
            VolumeClaimObject.self, #"{"metadata":{"name":"c"},"spec":{"volumeName":"pv"},"status":{"phase":"Bound"}}"#)
        #expect(claim.spec?.volumeName == "pv" && claim.status?.phase == "Bound")
    }

    @Test(
        "that are malformed name the field and not the value",
        arguments: [
            (#"{"metadata":{"name":3},"spec":{"containers":[]}}"#, "metadata.name is not a String"),
            (#"{"spec":{"containers":[]}}"#, "metadata is missing"),
            (
                #"{"metadata":{"name":"a"},"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"fast"}}}]}}"#,
                "spec.containers.[0].resources.requests.cpu: not a Kubernetes quantity"
            ),
            (
                #"{"metadata":{"name":"a","creationTimestamp":"yesterday"},"spec":{"containers":[]}}"#,
                "metadata.creationTimestamp: not an RFC 3339 time"
            ),
            (String(repeating: "[", count: 100_000), "not JSON, or nested too deep"),
            (#"{"metadata":"# + String(repeating: #"{"a":"#, count: 100_000), "not JSON, or nested too deep"),
            (
                #"{"metadata":{"name":"a"},"x":\#(String(repeating: "[", count: 100_000))\#(String(repeating: "]", count: 100_000)),"spec":{"containers":[]}}"#,
                "not JSON, or nested too deep"
            ),
            ("<html>planted</html>", "not JSON"), ("", "not JSON"),
        ])
    func malformed(_ json: String, _ words: String) {
        let error = #expect(throws: KubernetesError.self) { try Self.decode(PodObject.self, json) }
        #expect(error?.code == .malformedAnswer)
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("planted") == false)
    }
}
