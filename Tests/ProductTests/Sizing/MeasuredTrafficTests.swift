import Foundation
import Infrastructure
import JobQueue
import Testing

@testable import Jobs

@Suite("Traffic between zones, measured by flow logs")
struct MeasuredTrafficTests {
    static let log = FlowLogSource(
        id: "fl-1", place: .logGroup("/aws/vpc/flow-logs"),
        format: "${interface-id} ${pkt-srcaddr} ${pkt-dstaddr} ${bytes} ${start} ${end} ${action} ${log-status}")
    static let now = Scene.start

    static func workload(_ name: String, replicas: Int = 2) -> Workload {
        var workload = Workload(.deployment, namespace: "web", name: name, uid: "u-\(name)", replicas: replicas)
        workload.resourceVersion = "1"
        workload.readyReplicas = replicas
        workload.selector = LabelSelector(matchLabels: ["app": name])
        return workload
    }

    private static func pod(_ owner: String, _ number: Int, on node: String, address: String) -> Pod {
        var pod = Pod(namespace: "web", name: "\(owner)-abc-\(number)", uid: "\(owner)-\(number)", nodeName: node)
        pod.labels = ["pod-template-hash": "abc", "app": owner]
        pod.address = address
        pod.createdAt = now.addingTimeInterval(-86_400)
        return pod
    }

    /// A record of half an hour ago.
    static func line(_ source: String, _ destination: String, bytes: Int64, interface: String = "eni-1") -> String {
        let at = Int(now.timeIntervalSince1970) - 1800
        return "\(interface) \(source) \(destination) \(bytes) \(at) \(at + 60) ACCEPT OK"
    }

    static let lines = [
        line("10.0.1.5", "10.0.2.9", bytes: 1_000_000_000),
        line("10.0.1.5", "10.0.2.9", bytes: 999, interface: "eni-2"),
        line("10.0.1.5", "8.8.8.8", bytes: 250_000_000), "eni-1 - - - 1 2 - NODATA",
    ]

    /// `front` runs in zone a, `db` in zone b, each on a node with an instance; 1 GB went from one to the other in the last hour.
    static func prepare(_ scene: Scene, lines: [String] = lines, databaseZones: [String] = ["b"]) async {
        await scene.world.change { world in
            world.nodes = [:]
            for zone in ["a", "b"] {
                let id = InstanceID(rawValue: "i-0000000000000000\(zone)")
                world.nodes["node-\(zone)"] = Node(
                    name: "node-\(zone)", uid: "n-\(zone)", instance: id,
                    labels: ["topology.kubernetes.io/zone": zone])
                world.instances[id] = Instance(
                    id: id, state: .running, type: "m5.large", zone: zone, subnet: "subnet-\(zone)", capacity: .onDemand
                )
            }
            let pods =
                [pod("front", 1, on: "node-a", address: "10.0.1.5")]
                + databaseZones.enumerated().map {
                    pod("db", $0.offset, on: "node-\($0.element)", address: $0.offset == 0 ? "10.0.2.9" : "10.0.1.9")
                }
            world.pods = Dictionary(uniqueKeysWithValues: pods.map { ($0.name, $0) })
            world.workloads = [workload("front"), workload("db")]
            world.flowPages = [log: [[lines[0]], [], Array(lines.dropFirst())]]
        }
    }

    private func scene(lines: [String] = lines, databaseZones: [String] = ["b"]) async -> Scene {
        let scene = await Scene(pods: [])
        await Self.prepare(scene, lines: lines, databaseZones: databaseZones)
        return scene
    }

    private func run(_ scene: Scene) async throws {
        try await scene.run(JobRequest(AnalyseNetwork.kind, target: "prod"))
    }

    private func told(_ scene: Scene, _ code: String = "network-measured") async -> [String] {
        await scene.stores.records(of: "finding").map(\.value.text).filter { $0.contains("\"code\":\"\(code)\"") }
    }

    @Test("a pair is told with GB, dollars and how sure that is, and its sender gets a preference, once")
    func measures() async throws {
        let scene = await scene()
        try await run(scene)
        let told = try #require(await told(scene).first)
        // 1 GB in an hour is 730 GB a month, at 0.02 dollars; both interfaces wrote it down, the internet is nobody's.
        #expect(told.contains("1.00 of 1.00 GB crossed zones in 60 minutes: 730.00 GB and 14.60 dollars a month"))
        #expect(told.contains("web/Deployment/front -> web/Deployment/db") && told.contains("\"saving\":20000"))
        #expect(told.contains("\"confidence\":0.8"))
        #expect(await scene.world.calls == ["near front app=db"])
        try await run(scene)
        #expect(await scene.world.calls.count == 1)
        #expect(await self.told(scene).last?.contains("prefers that zone already") == true)
    }

    @Test("a receiver of several zones is for its Service to keep near; nothing is changed")
    func several() async throws {
        let scene = await scene(databaseZones: ["b", "a"])
        try await run(scene)
        #expect(await told(scene).first?.contains("let its Service prefer the zone") == true)
        #expect(await scene.world.calls.isEmpty)
    }

    @Test(
        "what somebody decided about a sender's place, and who writes it, is respected; the rule is told",
        arguments: 0..<6)
    func respects(change: Int) async throws {
        let scene = await scene()
        await scene.world.change { world in
            switch change {
            case 0:
                world.workloads[0].placement.topologySpread = [
                    TopologySpread(
                        maxSkew: 1, topologyKey: "topology.kubernetes.io/zone", isRequired: true, selector: nil)
                ]
            case 1: world.workloads[0].gitOps = .argoCD
            case 2: world.workloads[0].owner = ObjectOwner(kind: "Rollout", name: "r", uid: "r")
            case 3: world.workloads[0].placement.volumes = [PodVolume(kind: "persistentVolumeClaim", claim: "c")]
            case 4: world.workloads[0].placement.nodeSelector = ["topology.kubernetes.io/zone": "a"]
            default:
                world.workloads[0].placement.preferredAntiAffinity = [
                    WeightedPodTerm(weight: 1, PodAffinityTerm(selector: nil, topologyKey: "kubernetes.io/hostname"))
                ]
            }
        }
        try await run(scene)
        #expect(await told(scene).first?.contains("not written by us") == true)
        #expect(await scene.world.calls.isEmpty)
    }

    @Test(
        "little traffic is not told; logs that hold more than is read give a lower bound; below 'apply' nothing is done"
    )
    func bounds() async throws {
        let little = await scene(lines: [Self.line("10.0.1.5", "10.0.2.9", bytes: 100_000_000)])
        try await run(little)
        #expect(await told(little).isEmpty)
        let cut = await scene()
        await cut.stores.set(.observe)
        try await cut.run(
            JobRequest(AnalyseNetwork.kind, parameters: JSONText(text: #"{"pages_max":1}"#), target: "prod"))
        let text = try #require(await told(cut).first)
        #expect(text.contains("At least 1.00") && text.contains("\"confidence\":0.5"))
        #expect(await cut.world.calls.isEmpty)
    }

    @Test("without flow logs nothing is told of them; where they may not be read, that is told and topology goes on")
    func absent() async throws {
        let none = await scene()
        await none.world.change { $0.flowPages = [:] }
        try await run(none)
        #expect(await told(none).isEmpty)
        #expect(await told(none, "network-unmeasured").isEmpty)
        let refused = await scene()
        await refused.world.change {
            $0.flowLogError = FarSideError(.forbidden, farCode: "UnauthorizedOperation", "no")
        }
        try await run(refused)
        #expect(await told(refused, "network-unmeasured").first?.contains("UnauthorizedOperation") == true)
    }

    /// Another log, of the VPC's subnet, that goes to S3 with its fields in an order of its own.
    static let stored = FlowLogSource(
        id: "fl-2",
        place: .bucket(
            FlowLogBucket(
                name: "logs", root: "AWSLogs/1/vpcflowlogs/us-east-1/", file: "1_vpcflowlogs_us-east-1_fl-2_",
                isHive: false, isHourly: false)), format: log.format)

    private static let header = "bytes end start pkt-dstaddr pkt-srcaddr interface-id"

    private static func object(_ bytes: Int64, ago: Int = 1800) -> [String] {
        let at = Int(now.timeIntervalSince1970) - ago
        return [header, "\(bytes) \(at + 60) \(at) 10.0.2.9 10.0.1.5 eni-1"]
    }

    @Test("objects of S3 are read by the header of each; what began outside the sample is not counted")
    func stored() async throws {
        let scene = await scene()
        await scene.world.change { world in
            world.flowPages = [
                Self.stored: [Self.object(600_000_000), [], Self.object(400_000_000), Self.object(7, ago: 100_000)]
            ]
        }
        try await run(scene)
        #expect(await told(scene).first?.contains("1.00 of 1.00 GB crossed zones in 60 minutes") == true)
        #expect(await told(scene, "network-logs-unread").isEmpty)
    }

    @Test("what could not be read is told, nothing of it counts, and the rest is at least so much")
    func unread() async throws {
        let scene = await scene()
        await scene.world.change { world in
            world.flowPages = [Self.stored: [Self.object(1_000_000_000), ["no header", "1 2 3 4 5 6"]]]
            world.flowUnread = ["logs/a.log.gz: its checksum is wrong"]
        }
        try await run(scene)
        let text = try #require(await told(scene, "network-logs-unread").first)
        #expect(text.contains("2 of the VPC flow logs' objects") && text.contains("its checksum is wrong"))
        #expect(text.contains("does not begin with the names of its fields"))
        #expect(await told(scene).first?.contains("At least 1.00") == true)
    }

    @Test("a log that may not be read leaves the others; none that may be read leaves topology")
    func forbidden() async throws {
        let scene = await scene()
        await scene.world.change { world in
            world.flowPages[Self.stored] = []
            world.forbiddenFlowLogs = ["fl-2"]
        }
        try await run(scene)
        #expect(await told(scene).first?.contains("At least 1.00") == true)
        #expect(await told(scene, "network-logs-unread").first?.contains("fl-2: forbidden AccessDenied") == true)
        let none = await self.scene()
        await none.world.change { $0.forbiddenFlowLogs = ["fl-1"] }
        try await run(none)
        #expect(await told(none).isEmpty)
        #expect(await told(none, "network-unmeasured").first?.contains("AccessDenied") == true)
    }

    @Test("no more megabytes are read than the job may")
    func megabytes() async throws {
        let scene = await scene()
        let long = Self.object(500_000_000)[1] + String(repeating: " ", count: 1 << 20)
        await scene.world.change { world in
            world.flowPages = [Self.stored: [[Self.header, long], Self.object(500_000_000)]]
        }
        try await scene.run(
            JobRequest(AnalyseNetwork.kind, parameters: JSONText(text: #"{"megabytes_max":1}"#), target: "prod"))
        #expect(await told(scene).first?.contains("At least 0.50") == true)
    }

    @Test("an address that was used again, is two pods' or the node's own is nobody's")
    func addresses() async throws {
        let scene = await scene()
        await scene.world.change { world in
            var twin = Self.pod("twin", 1, on: "node-b", address: "10.0.2.9")
            twin.uid = "t"
            world.pods[twin.name] = twin
        }
        try await run(scene)
        #expect(await told(scene).isEmpty)
        let young = await self.scene()
        await young.world.change { $0.pods["db-abc-0"]?.createdAt = Self.now.addingTimeInterval(-600) }
        try await run(young)
        #expect(await told(young).isEmpty)
        let host = await self.scene()
        await host.world.change { $0.pods["front-abc-1"]?.placement.usesHostNetwork = true }
        try await run(host)
        #expect(await told(host).isEmpty)
    }
}
