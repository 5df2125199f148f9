import Foundation
import Infrastructure
import JobQueue

/// `drain-node`: empties a node whose instance is about to go, in time and gently, and cleans up after it.
public struct DrainNode: Job {
    /// The kind's name.
    public static let kind: JobKind = "drain-node"
    /// The value of our taint.
    static let taintValue = "interruption"

    /// What is remembered from round to round.
    struct Memory: Codable, Sendable, Equatable {
        /// What a pod's eviction has come to.
        struct Asked: Codable, Sendable, Equatable {
            var tries = 0
            /// Not asked again before then, in milliseconds since 1970 of world time.
            var notBefore: Int64 = 0
            /// Refused for good: only the force point changes that.
            var isHopeless = false
            /// Deletions that did not go through.
            var deletions = 0
            /// Its deletion was accepted, with the rest of the time as its grace.
            var isDeleted = false
        }

        var cordonTries = 0
        var isCordoned = false
        var isDrained = false
        var isTidied = false
        /// How often an Auto Scaling group was asked to wait.
        var heartbeats: Int?
        /// When it was asked last, in milliseconds since 1970 of world time.
        var heartbeatAt: Int64?
        /// By the pod's UID.
        var asked: [String: Asked] = [:]
    }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var now: Date
        var cluster: ClusterID
        var interruption: Interruption?
        var node: Node?
        var pods: [Pod]
        /// Asked for only once the node is empty or its time is over; nil: not asked, or EC2 did not answer.
        var instance: Instance?
        /// Whether EC2 was asked and answered: with `instance` nil it no longer knows it.
        var isInstanceKnown: Bool
        var reports: [ActionReport]
        var memory: Memory
    }

    let parameters: IntentParameters

    /// Makes the job of one request.
    public init(_ parameters: IntentParameters) { self.parameters = parameters }

    /// Reads the interruption (its deadline may have come nearer), the node and its pods.
    public func observe(_ context: JobContext) async throws -> Observation {
        let registration = try await context.registration()
        let memory = try context.memory(as: Memory.self) ?? Memory()
        let found = try await context.sources.interruptions.find(parameters.instance, of: registration.id)
        let interruption = found.flatMap { $0.generation == parameters.generation ? $0 : nil }
        var observation = Observation(
            now: context.now, cluster: registration.id, interruption: interruption, node: nil, pods: [], instance: nil,
            isInstanceKnown: false, reports: context.reports, memory: memory)
        guard let interruption, interruption.closedAt == nil else { return observation }
        let cluster = try await context.cluster(registration)
        observation.node = try await NodeFinder.find(
            [parameters.instance], in: cluster, of: registration.id, index: context.sources.index)[parameters.instance]
        guard let node = observation.node else { return observation }
        observation.pods = try await cluster.pods(onNode: node.name)
        let movable = MovablePods.of(observation.pods, taint: NodeMark.taint(DrainNode.taintValue))
        if movable.isEmpty || context.now >= interruption.deadline {
            do {
                observation.instance = try await context.cloud(registration).instances([parameters.instance]).first
                observation.isInstanceKnown = true
            } catch let error as FarSideError where error.code == .notFound {
                observation.isInstanceKnown = true
            } catch is FarSideError {
                observation.isInstanceKnown = false  // the drain goes on without EC2; the next round asks again
            }
        }
        return observation
    }

    /// Decides the next round.
    public func decide(_ observation: Observation) throws -> Decision { try DrainRules(observation).decided() }
}
