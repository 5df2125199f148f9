import Foundation
import HTTPClient
import Synchronization

/// Speaks to one cluster's API server: a local rate limit, retries, limits of size and time, and errors without secrets.
/// Reads are in `KubernetesClient+Reads.swift`, changes in `KubernetesClient+Changes.swift`.
public final class KubernetesClient: Sendable {
    /// Carries one HTTP exchange; throws `HTTPError`.
    typealias Exchange = @Sendable (HTTPRequest) async throws -> HTTPResponse

    let limits: ClientLimits
    private let connection: ClusterConnection
    private let egress: EgressPolicy
    private let exchange: Exchange
    private let time: MachineTime
    private let bucket: Mutex<TokenBucket>
    /// Set once the server has shown that it knows evictions of `policy/v1beta1` only (Kubernetes before 1.22).
    let evictsByBeta = Mutex(false)

    /// A client of one cluster over a shared transport.
    /// - Parameter egress: `.customerNamed` for every endpoint that a customer gave.
    public convenience init(
        connection: ClusterConnection, egress: EgressPolicy, limits: ClientLimits = ClientLimits(),
        transport: HTTPTransport
    ) {
        self.init(connection: connection, egress: egress, limits: limits, time: MachineTime()) {
            try await transport.send($0)
        }
    }

    init(
        connection: ClusterConnection, egress: EgressPolicy, limits: ClientLimits, time: MachineTime,
        exchange: @escaping Exchange
    ) {
        self.connection = connection
        self.egress = egress
        self.limits = limits
        self.time = time
        self.exchange = exchange
        bucket = Mutex(TokenBucket(perSecond: limits.requestsPerSecond, burst: limits.burst, now: time.now()))
    }

    /// Sends until there is an answer that another try would not change. A refusal is an answer, not a throw.
    /// - Throws: `KubernetesError` when no answer came; `CancellationError`.
    func send(_ call: APICall, _ options: CallOptions) async throws -> APIAnswer {
        var failures = 0
        var unsure = false  // an earlier try may have done it
        while true {
            let outcome = try await attempt(call, options, unsure: unsure)
            guard var error = outcome.error else { return outcome }
            unsure = unsure || error.mayHaveBeenExecuted
            failures += 1
            let pause = limits.retry.pause(
                after: error, failures: failures, repeatable: call.isRepeatable,
                remaining: options.deadline.map { time.now().duration(to: $0) }, jitter: time.jitter())
            if let pause {
                try await time.sleep(pause)
                continue
            }
            error.mayHaveBeenExecuted = unsure && !call.isRead
            if outcome.status == nil { throw error }
            return APIAnswer(status: outcome.status, body: outcome.body, failure: outcome.failure, error: error)
        }
    }

    /// As `send`, and a refusal is thrown.
    func succeed(_ call: APICall, _ options: CallOptions) async throws -> [UInt8] {
        let answer = try await send(call, options)
        if let error = answer.error { throw error }
        return answer.body
    }

    /// Reads an answer; a hostile server's values do not carry our token into the error.
    func decode<Value: Decodable>(_ type: Value.Type, _ body: [UInt8], _ call: APICall) throws -> Value {
        do {
            return try AnswerReading.decode(type, body, subject: call.subject)
        } catch var error as KubernetesError {
            error.message = redact(error.message)
            error.mayHaveBeenExecuted = !call.isRead
            throw error
        }
    }

    func redact(_ text: String) -> String { connection.redact(text) }

    private func attempt(_ call: APICall, _ options: CallOptions, unsure: Bool) async throws -> APIAnswer {
        try await waitForToken(call, options, unsure: unsure)
        let request = try request(call, options, unsure: unsure)
        do {
            let response = try await exchange(request)
            if (200..<300).contains(response.status) { return APIAnswer(status: response.status, body: response.body) }
            let failure = FailureStatus(body: response.body)
            let error = KubernetesError.refusal(
                response.status, failure, retryAfter: retryAfter(response), subject: call.subject, redact: redact)
            return APIAnswer(status: response.status, failure: failure, error: error)
        } catch let error as HTTPError {
            try Task.checkCancellation()
            return APIAnswer(error: KubernetesError(error, subject: call.subject, redact: redact))
        }
    }

    private func waitForToken(_ call: APICall, _ options: CallOptions, unsure: Bool) async throws {
        let now = time.now()
        if options.isUrgent {
            bucket.withLock { $0.bypass(now: now) }
            return
        }
        let remaining = options.deadline.map { now.duration(to: $0) }
        guard let wait = bucket.withLock({ $0.reserve(now: now, limit: remaining) }) else {
            throw KubernetesError(
                .timeout,
                "\(call.subject): the local rate of \(limits.requestsPerSecond)/s leaves no turn before the deadline",
                mayHaveBeenExecuted: unsure && !call.isRead)
        }
        guard wait > .zero else { return }
        do {
            try await time.sleep(wait)
        } catch {
            bucket.withLock { $0.giveBack() }
            throw error
        }
    }

    private func request(_ call: APICall, _ options: CallOptions, unsure: Bool) throws -> HTTPRequest {
        var timeout = limits.timeout
        if let deadline = options.deadline {
            timeout = min(timeout, time.now().duration(to: deadline))
            guard timeout > .zero else {
                throw KubernetesError(
                    .timeout, "\(call.subject): the deadline has passed", mayHaveBeenExecuted: unsure && !call.isRead)
            }
        }
        var headers = [("Accept", "application/json"), ("User-Agent", "cloudoptim")]
        var identity: ClientIdentity?
        switch connection.credential {
        case .token(let token): headers.append(("Authorization", "Bearer \(token)"))
        case .clientCertificate(let certificate, let key):
            identity = ClientIdentity(certificatePEM: certificate, privateKeyPEM: key)
        }
        if let type = call.contentType { headers.append(("Content-Type", type)) }
        if let trace = options.traceparent { headers.append(("traceparent", try APICall.checkedTrace(trace))) }
        var request = HTTPRequest(
            method: call.method, url: connection.endpoint + call.target, headers: headers.map { (name: $0, value: $1) },
            body: call.body, timeout: timeout, responseBytesMax: call.bytesMax,
            trust: connection.authorityPEM.map { .authority(pem: $0) } ?? .system, clientIdentity: identity,
            egress: egress)
        // The verb alone: names of objects are without number.
        request.operation = HTTPOperation(side: "kubernetes", name: String(call.subject.prefix { $0 != " " }))
        return request
    }

    /// `Retry-After` in seconds; its date form is not used by API servers.
    private func retryAfter(_ response: HTTPResponse) -> Duration? {
        guard let text = response.header("Retry-After"), let seconds = Int64(text.trimmingCharacters(in: .whitespaces)),
            seconds >= 0
        else { return nil }
        return .seconds(min(seconds, 3_600))
    }
}
