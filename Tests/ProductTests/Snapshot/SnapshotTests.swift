import Foundation
import Infrastructure
import JobQueue
import Testing

@testable import Jobs

@Suite("Snapshots")
struct SnapshotTests {
    private func hash(_ text: String) -> String {
        // Any keyed hash will do here; a poor one with enough digits.
        let value = text.utf8.reduce(UInt64(14_695_981_039_346_656_037)) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits + "0123456789abcdef"
    }

    @Test("a snapshot is read as it was written, and equal ones are equal to the byte")
    func roundTrip() throws {
        let text = try SnapshotDocument.text(of: SnapshotScene.snapshot)
        #expect(try SnapshotDocument.read(text) == SnapshotScene.snapshot)
        #expect(try SnapshotDocument.text(of: SnapshotDocument.read(text)) == text)
    }

    @Test("a snapshot of another build's form, or with a field amiss, is refused by name")
    func refusals() throws {
        let text = try SnapshotDocument.text(of: SnapshotScene.snapshot)
        let newer = text.replacing("\"version\":1}", with: "\"version\":2}").replacing(
            "\"version\":1,", with: "\"version\":2,")
        let refusal = #expect(throws: QueueError.self) { try SnapshotDocument.read(newer) }
        #expect(refusal?.message == "the snapshot has version 2, this build reads 1")
        let broken = text.replacing("\"serverVersion\":\"v1.31.2\"", with: "\"serverVersion\":7")
        #expect(broken != text)
        let other = #expect(throws: QueueError.self) { try SnapshotDocument.read(broken) }
        #expect(other?.message.contains("serverVersion") == true)
        #expect(throws: QueueError.self) { try SnapshotDocument.read("not a snapshot") }
    }

    @Test(
        "labels and tags that no rule refers to are left out; those that rules, the platform and the policy name stay")
    func narrowing() throws {
        var protected = ProtectionPolicy()
        let narrow = SnapshotScene.snapshot.narrowed(keeping: protected)
        #expect(narrow.objects.pods.allSatisfy { $0.labels == ["app": "cart"] })
        let node = try #require(narrow.objects.nodes.first { $0.name == "ip-10-0-0-3" })
        #expect(
            node.labels.keys.sorted() == [
                "kubernetes.io/arch", "kubernetes.io/hostname", "node.kubernetes.io/instance-type", "rack",
                "topology.kubernetes.io/zone",
            ])
        #expect(narrow.instances?.allSatisfy { $0.tags["cost-centre"] == nil && $0.tags.count == 2 } == true)
        #expect(try !SnapshotDocument.text(of: narrow).contains("secret-team"))
        protected.labels = ["team": ""]
        protected.tags = ["cost-centre": ""]
        let kept = SnapshotScene.snapshot.narrowed(keeping: protected)
        #expect(kept.objects.pods[0].labels["team"] == "secret-team" && kept.instances?[0].tags.count == 3)
        #expect(kept.objects.namespaces.allSatisfy { $0.labels.isEmpty })
    }

    @Test("what does not fit together is remarked on, in counts")
    func remarks() {
        var objects = SnapshotScene.objects
        #expect(objects.remarks == [])
        objects.nodes.removeFirst()
        objects.readings[0].resourceVersion = "99"
        objects.readings[1].outcome = .partial
        objects.readings[1].unreadable = 3
        #expect(objects.remarks.count == 3)
        #expect(objects.remarks[0].contains("is not whole: 3 unreadable"))
        #expect(objects.remarks[1].contains("2 states"))
        #expect(objects.remarks[2].hasPrefix("1 pods are bound to nodes that are not in the list"))
    }

    @Test("an anonymised snapshot holds no word of the customer, and keeps its structure and its order")
    func anonymising() throws {
        let named = SnapshotScene.snapshot
        var anonymiser = SnapshotAnonymiser(hash: hash)
        let hidden = try anonymiser.anonymise(named)
        let text = try SnapshotDocument.text(of: hidden)
        for word in [
            "cart", "shop", "lonely", "secret-team", "ip-10-0-0", "10.0.7.7", "prod-eks", "\"prod\"", "internal-words",
            "uid-",
            "i-00000000000000001", "token-of-a-launch", "team", "cost-centre", "rack",
        ] { #expect(!text.contains(word), "\(word)") }
        for word in ["us-east-1a", "m5.xlarge", "kube-system", "topology.kubernetes.io/zone", "cloudoptim.io/skip"] {
            #expect(text.contains(word), "\(word)")
        }
        #expect(hidden.isAnonymised && hidden.objects.pods.count == 4 && hidden.spotPrices == named.spotPrices)
        // Equal stays equal.
        let pod = hidden.objects.pods[0]
        #expect(hidden.objects.nodes.contains { $0.name == pod.nodeName })
        #expect(
            hidden.objects.budgets[0].covers(pod)
                && hidden.objects.services[0].selector
                    == pod.labels.filter { $0.key == hidden.objects.services[0].selector.keys.first }
        )
        #expect(hidden.objects.nodes.allSatisfy { $0.labels["kubernetes.io/hostname"] == $0.name })
        #expect(hidden.instances?.map(\.id) == hidden.objects.nodes.compactMap(\.instance))
        #expect(
            hidden.instances?.allSatisfy {
                $0.id.isWellFormed && $0.tags[NodeOwner.ownTag] == hidden.cluster.id.rawValue
            } == true)
        // A number that is compared as one stays one.
        let term = try #require(hidden.objects.pods[0].placement.requiredNodeTerms?.first)
        #expect(hidden.objects.nodes.filter { term.matches(nodeName: $0.name, labels: $0.labels) }.count == 1)
        // Order stays.
        var sorted = hidden.objects
        sorted.sort()
        #expect(sorted.pods == hidden.objects.pods && sorted.nodes == hidden.objects.nodes)
        var again = SnapshotAnonymiser(hash: hash)
        #expect(try SnapshotDocument.text(of: again.anonymise(named)) == text)
    }

    @Test("a field of a snapshot that the anonymiser does not know is a field it leaves out")
    func unknownFields() throws {
        guard case .object(let fields) = try JSONValue(parsing: SnapshotDocument.text(of: SnapshotScene.snapshot))
        else {
            Issue.record("not an object")
            return
        }
        var all = SnapshotScene.snapshot
        all.volumes = []
        all.nodeGroups = []
        all.spotAdvice = ["m5.xlarge": SpotAdvice(range: 2, savingPercent: 50)]
        let pool = SpotPool(region: "us-east-1", zone: "us-east-1a", type: "m5.xlarge")
        all.poolIncidents = [PoolIncident(pool: pool, .noCapacity, at: SnapshotScene.now)]
        var anonymiser = SnapshotAnonymiser(hash: hash)
        let hidden = try anonymiser.anonymise(all)
        #expect(hidden.spotAdvice == all.spotAdvice && hidden.poolIncidents == all.poolIncidents)
        guard case .object(let whole) = try JSONValue(parsing: SnapshotDocument.text(of: all)) else { return }
        #expect(Set(fields.keys).isSubset(of: SnapshotAnonymiser.snapshotFields))
        #expect(Set(whole.keys) == SnapshotAnonymiser.snapshotFields)
    }

    @Test("a capture reads cluster, account and prices, and remarks on an account that it may not read")
    func capture() async throws {
        let scene = await Scene(pods: [Scene.pod("web-1")])
        let cluster = FakeCluster(world: scene.world)
        let snapshot = try await SnapshotCapture().take(
            Scene.registration(), cluster: cluster, cloud: { FakeCloud(world: scene.world) }, prices: scene.stores,
            policy: ClusterPolicy(), now: Scene.start.addingTimeInterval(0.7))
        #expect(snapshot.capturedAt == Scene.start && snapshot.serverVersion == "v1.31.2")
        #expect(snapshot.objects.nodes.count == 1 && snapshot.objects.pods.map(\.name) == ["web-1"])
        #expect(snapshot.instances?.map(\.id) == [Scene.instance] && snapshot.remarks == [])
        #expect(snapshot.objects.isComplete(Set(ClusterList.allCases)))
        let blind = try await SnapshotCapture(lists: [.nodes]).take(
            Scene.registration(), cluster: cluster,
            cloud: { throw FarSideError(.forbidden, farCode: "UnauthorizedOperation", "no") }, prices: scene.stores,
            policy: ClusterPolicy(), now: Scene.start)
        #expect(blind.instances == nil && blind.objects.pods.isEmpty)
        #expect(blind.remarks == ["the AWS account could not be read: forbidden UnauthorizedOperation"])
    }

    @Test("a kind that does not decide from snapshots is refused with those that do")
    func kinds() {
        let error = #expect(throws: QueueError.self) { try SnapshotKinds.named("noop") }
        #expect(error?.code == .notFound && error?.message.contains("'noop'") == true)
        #expect(SnapshotKinds.all.allSatisfy { kind in JobCatalog.all.kinds.contains(kind.kind) })
    }

    @Test(
        "selectors match as Kubernetes matches",
        arguments: [
            (SelectorRequirement(key: "a", .isIn, values: ["1", "2"]), ["a": "2"], true),
            (SelectorRequirement(key: "a", .isIn, values: ["1"]), [:], false),
            (SelectorRequirement(key: "a", .notIn, values: ["1"]), [:], true),
            (SelectorRequirement(key: "a", .notIn, values: ["1"]), ["a": "1"], false),
            (SelectorRequirement(key: "a", .exists), ["a": ""], true),
            (SelectorRequirement(key: "a", .doesNotExist), ["a": ""], false),
            (SelectorRequirement(key: "a", .greaterThan, values: ["3"]), ["a": "4"], true),
            (SelectorRequirement(key: "a", .greaterThan, values: ["3"]), ["a": "x"], false),
            (SelectorRequirement(key: "a", .lessThan, values: ["3"]), ["a": "3"], false),
            (SelectorRequirement(key: "a", .lessThan, values: ["3", "4"]), ["a": "1"], false),
        ] as [(SelectorRequirement, [String: String], Bool)])
    func selectors(_ requirement: SelectorRequirement, _ labels: [String: String], _ matches: Bool) {
        #expect(requirement.matches(labels) == matches)
    }

    @Test("amounts fit only where every kind of them finds room")
    func resources() throws {
        let node = Resources(cpu: 1000, memory: 1000, pods: 5, ephemeralStorage: 10, extended: ["nvidia.com/gpu": 1])
        #expect(Resources(cpu: 1, extended: ["nvidia.com/gpu": 1]).fits(in: node))
        #expect(!Resources(cpu: 1, extended: ["nvidia.com/gpu": 2]).fits(in: node))
        #expect(!Resources(extended: ["amd.com/gpu": 1]).fits(in: node))
        #expect(!Resources(ephemeralStorage: 11).fits(in: node))
        #expect((node + node).extended == ["nvidia.com/gpu": 2])
        let old = try JSONDecoder().decode(Resources.self, from: Data(#"{"cpu":1,"memory":2,"pods":3}"#.utf8))
        #expect(old == Resources(cpu: 1, memory: 2, pods: 3))
        #expect(try JSONDecoder().decode(Resources.self, from: JSONEncoder().encode(node)) == node)
    }
}
