import Foundation
import Infrastructure
import Synchronization

extension KubernetesClient {
    /// Changes an object and returns it as it is afterwards.
    /// - Parameter resourceVersion: when given, the change is made only to that version of the object (`.conflict` else).
    ///   After an uncertain try a `.conflict` may be our own earlier success: `mayHaveBeenExecuted` is then true.
    /// - Throws: `KubernetesError`; `CancellationError`.
    public func patch<Object: Decodable & Sendable>(
        _ type: Object.Type, _ kind: ResourceKind, namespace: String? = nil, name: String, subresource: String? = nil,
        _ patch: Patch, resourceVersion: String? = nil, options: CallOptions = CallOptions()
    ) async throws -> Object {
        let call = APICall.change(
            "patch \(Subject.of(kind, namespace, name))", "PATCH",
            try kind.path(namespace: namespace, name: name, subresource: subresource),
            body: try patch.body(resourceVersion: resourceVersion), contentType: patch.contentType,
            bytesMax: limits.answerBytesMax, isRepeatable: patch.isRepeatable(resourceVersion: resourceVersion))
        let answer = try await send(call, options)
        if var error = answer.error {
            if answer.status == 422, KubernetesClient.namesPrecondition(answer.failure) { error.code = .conflict }
            throw error
        }
        return try decode(type, answer.body, call)
    }

    /// Asks for a pod's eviction; the server judges the disruption budgets.
    /// - Parameters:
    ///   - uid: the pod we mean; another pod of the same name is never evicted.
    ///   - graceSeconds: at least 1; nil for the pod's own.
    /// - Returns: the verdict; a budget or rate limit is not retried here, since the drain paces itself.
    /// - Throws: `KubernetesError` when no answer came within the limits; `CancellationError`.
    public func evict(
        namespace: String, pod: String, uid: String, graceSeconds: Int64? = nil, options: CallOptions = CallOptions()
    ) async throws -> EvictionVerdict {
        if !evictsByBeta.withLock({ $0 }) {
            let answer = try await send(try eviction("policy/v1", namespace, pod, uid, graceSeconds), options)
            guard KubernetesClient.isUnknownVersion(answer) else { return verdict(answer) }
            let beta = try await send(try eviction("policy/v1beta1", namespace, pod, uid, graceSeconds), options)
            // Remember it only when the older version is known there; else both answers speak of something else.
            if !KubernetesClient.isUnknownVersion(beta) { evictsByBeta.withLock { $0 = true } }
            return verdict(beta)
        }
        return verdict(try await send(try eviction("policy/v1beta1", namespace, pod, uid, graceSeconds), options))
    }

    /// Deletes an object, if it is still the one we mean.
    /// - Parameters:
    ///   - uid: the object we mean.
    ///   - graceSeconds: at least 1 (0 would remove a pod from the store while it still runs); nil for the object's own.
    /// - Returns: `.evicted` when its deletion has begun, `.gone`, `.replacedByOther`, or why not.
    /// - Throws: `KubernetesError` when no answer came within the limits; `CancellationError`.
    public func delete(
        _ kind: ResourceKind, namespace: String? = nil, name: String, uid: String, graceSeconds: Int64? = nil,
        options: CallOptions = CallOptions()
    ) async throws -> EvictionVerdict {
        let call = APICall.change(
            "delete \(Subject.of(kind, namespace, name))", "DELETE", try kind.path(namespace: namespace, name: name),
            body: try JSONBody.encode(try DeleteOptions(uid: uid, graceSeconds: graceSeconds)),
            bytesMax: limits.answerBytesMax, isRepeatable: true)
        return verdict(try await send(call, options))
    }

    /// Writes an event that people see in `kubectl describe`. One of the same name counts as written, so that
    /// a repeat leaves one event.
    /// - Throws: `KubernetesError`; `CancellationError`.
    public func record(_ event: ClusterEvent, at date: Date, options: CallOptions = CallOptions()) async throws {
        let body = EventBody(event, at: date)
        let call = APICall.change(
            "record \(Subject.of(.events, EventBody.namespace, event.name))", "POST",
            try ResourceKind.events.path(namespace: EventBody.namespace), body: try JSONBody.encode(body.object),
            bytesMax: limits.answerBytesMax, isRepeatable: true)
        let answer = try await send(call, options)
        if let error = answer.error, error.code != .conflict { throw error }
    }

    private func eviction(
        _ version: String, _ namespace: String, _ pod: String, _ uid: String, _ graceSeconds: Int64?
    ) throws -> APICall {
        let eviction = Eviction(
            apiVersion: version, metadata: .init(name: pod, namespace: namespace),
            deleteOptions: try DeleteOptions(uid: uid, graceSeconds: graceSeconds))
        return APICall.change(
            "evict \(Subject.of(.pods, namespace, pod))", "POST",
            try ResourceKind.pods.path(namespace: namespace, name: pod, subresource: "eviction"),
            body: try JSONBody.encode(eviction), bytesMax: limits.answerBytesMax, isRepeatable: true)
    }

    private func verdict(_ answer: APIAnswer) -> EvictionVerdict {
        EvictionVerdict.of(status: answer.status ?? 0, failure: answer.failure, error: answer.error)
    }

    /// Whether a 422 is a precondition that failed: a JSON patch's `test`, or a merge that names another UID.
    private static func namesPrecondition(_ failure: FailureStatus?) -> Bool {
        let words = failure?.message ?? ""
        return ["metadata.uid", "/metadata/resourceVersion", "testing value"].contains { words.contains($0) }
    }

    /// Whether the server does not know the eviction's version (as opposed to the pod): a 404 that names no object, or the
    /// decoder's words for a kind that is not registered.
    private static func isUnknownVersion(_ answer: APIAnswer) -> Bool {
        switch answer.status {
        case 404: answer.failure?.namesObject != true
        case 400: answer.failure?.message?.contains("no kind \"Eviction\" is registered") == true
        default: false
        }
    }
}

/// `policy` Eviction.
private struct Eviction: Encodable {
    struct Metadata: Encodable {
        var name: String
        var namespace: String
    }
    var apiVersion: String
    var kind = "Eviction"
    var metadata: Metadata
    var deleteOptions: DeleteOptions
}

/// `metav1.DeleteOptions`: always with a UID precondition, never with a grace of 0.
private struct DeleteOptions: Encodable {
    struct Preconditions: Encodable {
        var uid: String
    }
    var apiVersion = "v1"
    var kind = "DeleteOptions"
    var preconditions: Preconditions
    var gracePeriodSeconds: Int64?

    init(uid: String, graceSeconds: Int64?) throws {
        if let graceSeconds, graceSeconds < 1 {
            throw KubernetesError(
                .invalid,
                "a grace of \(graceSeconds) s would take a pod out of the store while it may still run; wanted at least 1"
            )
        }
        guard !uid.isEmpty else {
            throw KubernetesError(
                .invalid, "a deletion without the object's UID could hit another object of the same name")
        }
        preconditions = Preconditions(uid: uid)
        gracePeriodSeconds = graceSeconds
    }
}
