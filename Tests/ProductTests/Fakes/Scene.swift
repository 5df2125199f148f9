import Foundation
import Infrastructure
import JobQueue
import Logging

@testable import Jobs

/// A cluster with one spot node of ours, its queue, and everything a job needs to run.
struct Scene {
    static let instance: InstanceID = "i-0123456789abcdef0"
    static let queue = "https://sqs.us-east-1.amazonaws.com/123456789012/cloudoptim-prod"
    static let start = Date(timeIntervalSince1970: 1_800_000_000)

    let world = FakeWorld()
    let stores = MemoryStores()
    let effects = EffectBook()
    let farSides: FakeFarSides

    static func registration(
        _ id: ClusterID = "prod", tenant: Tenant = "acme", account: String = "123456789012",
        region: String = "us-east-1"
    ) -> ClusterRegistration {
        ClusterRegistration(
            id: id, tenant: tenant, name: "prod-eks", account: account, region: region, endpoint: "https://k8s.example",
            queueURL: queue, mode: .apply,
            launch: LaunchSettings(
                template: LaunchTemplate(id: "lt-0123456789abcdef0"),
                subnets: ["us-east-1a": "subnet-a", "us-east-1b": "subnet-b"]))
    }

    init(pods: [Pod]) async {
        farSides = FakeFarSides(world: world)
        await stores.add(Scene.registration())
        await stores.add(
            IndexedInstance(
                instance: Scene.instance, cluster: "prod", node: "node-1", nodeUID: "uid-1", seenAt: Scene.start))
        await world.change { world in
            world.nodes["node-1"] = Node(
                name: "node-1", uid: "uid-1", resourceVersion: "7", instance: Scene.instance,
                labels: ["kubernetes.io/arch": "amd64", "topology.kubernetes.io/zone": "us-east-1a"])
            world.instances[Scene.instance] = Instance(
                id: Scene.instance, state: .running, type: "m5.xlarge", zone: "us-east-1a", subnet: "subnet-a",
                capacity: .spot, tags: [NodeOwner.ownTag: "prod", "kubernetes.io/cluster/prod-eks": "owned"])
            for pod in pods { world.pods[pod.name] = pod }
        }
    }

    static func pod(
        _ name: String, owner: String? = "ReplicaSet", grace: Int64 = 30, priority: String? = nil,
        phase: PodPhase = .running,
        isMirror: Bool = false, tolerations: [Toleration] = [], deletedBy: Date? = nil, claim: Bool = false
    ) -> Pod {
        Pod(
            namespace: "web", name: name, uid: "u-\(name)", nodeName: "node-1", phase: phase, isMirror: isMirror,
            ownerKind: owner, requests: Resources(cpu: 500, memory: .mebibytes(512), pods: 1), graceSeconds: grace,
            deletedBy: deletedBy, priorityClass: priority, tolerations: tolerations, usesVolumeClaim: claim)
    }

    var sources: JobSources { sources(farSides) }

    func sources(_ farSides: any FarSides) -> JobSources {
        JobSources(
            registry: stores, index: stores, interruptions: stores, policies: stores, prices: stores,
            proposals: stores, savings: stores, sightings: stores, sleepers: stores, usage: stores,
            memoryRaises: stores, farSides: farSides)
    }

    var runner: RoundRunner { runner(farSides) }

    /// What runs the jobs, over far sides that may be wrapped.
    func runner(_ farSides: any FarSides, _ logger: Logger = Logger(label: "test")) -> RoundRunner {
        RoundRunner(sources: sources(farSides), modeMax: { _ in .apply }, logger: logger)
    }

    /// Runs a request to its outcome, and settles it as the ledger would.
    @discardableResult
    func run(
        _ request: JobRequest, tenant: String = "acme", lane: Lane = .interruption, checkpoint: JSONText? = nil,
        as run: MemoryRun? = nil
    ) async throws
        -> Outcome
    {
        let job = ClaimedJob(
            id: JobID(), kind: request.kind, tenant: tenant, target: request.target, queue: "default",
            lane: lane, fence: 1, attempt: 1, attemptsMax: 5, parameters: request.parameters, checkpoint: checkpoint,
            timeLeft: .seconds(3600), traceparent: nil, isLate: false)
        let memory = run ?? MemoryRun(world: world, stores: stores, effects: effects)
        let context = HandlerContext(job: job, deadline: .now + .seconds(3600), run: memory)
        let outcome = try await runner.run(context)
        try await stores.take(outcome.records)
        await outcome.afterCommit?()
        return outcome
    }

    /// Polls the queue.
    @discardableResult
    func poll(tenant: String = "acme") async throws -> Outcome {
        try await run(JobRequest(PollSQS.kind, target: Scene.queue), tenant: tenant)
    }

    func send(_ body: String, id: String = "m-1") async {
        await world.change { $0.messages.append(QueueMessage(id: id, receipt: "r-\(id)", body: body)) }
    }

    static func warning(
        _ instance: InstanceID = instance, at: Date = start, id: String = "e-1", account: String = "123456789012",
        region: String = "us-east-1"
    ) -> String {
        """
        {"version":"0","id":"\(id)","detail-type":"EC2 Spot Instance Interruption Warning","source":"aws.ec2",
         "account":"\(account)","time":"\(at.formatted(.iso8601))","region":"\(region)",
         "resources":["arn:aws:ec2:us-east-1b:instance/\(instance)"],
         "detail":{"instance-id":"\(instance)","instance-action":"terminate"}}
        """
    }
}
