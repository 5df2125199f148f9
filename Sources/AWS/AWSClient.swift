import Foundation
import HTTPClient
import Logging
import Synchronization

/// One account (by its credentials) in one region. Signs, sends, repeats what may be repeated, and sorts the errors.
/// Every call throws `AWSError`, or `CredentialsError` when there are no credentials to sign with.
public final class AWSClient: Sendable {
    /// The region that calls go to.
    public let region: String
    let transport: HTTPTransport
    let credentials: CredentialsSource?
    let endpoints: AWSEndpoints
    let timing: CallTiming
    let log: Logger
    private let rate: CallRate
    private let clock: ClockCorrection

    /// A difference that AWS refuses is five minutes (fifteen at some services).
    private static let clockTolerance: TimeInterval = 240
    private static let defaultTimeout = Duration.seconds(30)

    /// Makes a client.
    /// - Parameters:
    ///   - credentials: nil for calls that need none.
    ///   - changesPerSecond: how fast EC2 calls that change something are sent, after a burst of 20. EC2 fills its own
    ///     bucket for them with about five a second.
    public convenience init(
        transport: HTTPTransport, credentials: CredentialsSource?, region: String, endpoints: AWSEndpoints,
        changesPerSecond: Double = 5, timing: CallTiming = .machine, log: Logger = Logger(label: "aws")
    ) {
        self.init(
            transport: transport, credentials: credentials, region: region, endpoints: endpoints, timing: timing,
            log: log, rate: CallRate(perSecond: changesPerSecond, burst: 20), clock: ClockCorrection())
    }

    private init(
        transport: HTTPTransport, credentials: CredentialsSource?, region: String, endpoints: AWSEndpoints,
        timing: CallTiming, log: Logger, rate: CallRate, clock: ClockCorrection
    ) {
        self.transport = transport
        self.credentials = credentials
        self.region = region
        self.endpoints = endpoints
        self.timing = timing
        self.log = log
        self.rate = rate
        self.clock = clock
    }

    /// A client for other credentials or another region over the same transport, with the same clock.
    func client(credentials: CredentialsSource?, region: String, rate: CallRate) -> AWSClient {
        AWSClient(
            transport: transport, credentials: credentials, region: region, endpoints: endpoints, timing: timing,
            log: log, rate: rate, clock: clock)
    }

    /// The same account in another region, over the same transport and with the same rate for changes.
    public func inRegion(_ region: String) -> AWSClient {
        client(credentials: credentials, region: region, rate: rate)
    }

    /// Makes a client from the standard names of the environment: keys, IRSA or pod identity, `AWS_REGION` or
    /// `AWS_DEFAULT_REGION`, `AWS_ENDPOINT_URL` and its forms by service.
    /// - Throws: `CredentialsError`, naming what is missing or wrong.
    public convenience init(
        environment: [String: String], transport: HTTPTransport, timing: CallTiming = .machine,
        log: Logger = Logger(label: "aws"),
        readFile: @escaping @Sendable (String) throws -> String = { try String(contentsOfFile: $0, encoding: .utf8) }
    ) throws {
        let region = [environment["AWS_REGION"], environment["AWS_DEFAULT_REGION"]].compactMap { $0 }.first {
            !$0.isEmpty
        }
        guard let region else { throw CredentialsError(description: "no AWS region: set AWS_REGION") }
        guard AWSEndpoints.isRegion(region) else {
            throw CredentialsError(description: "AWS_REGION is no AWS region: \(region)")
        }
        let endpoints = try AWSEndpoints(environment: environment)
        let source = try EnvironmentCredentials.source(
            EnvironmentCredentials.Context(
                environment: environment, transport: transport, endpoints: endpoints, region: region, timing: timing,
                readFile: readFile))
        self.init(
            transport: transport, credentials: source, region: region, endpoints: endpoints, timing: timing, log: log)
    }

    /// Sends a call and reads its XML answer.
    func xml(_ call: ServiceCall, _ options: CallOptions) async throws -> XMLTree {
        let answer = try await send(call, options)
        return try read(call, answer) { try XMLTree.parse($0) }
    }

    /// Runs a decoder; what it throws becomes `malformedAnswer`. The call itself was carried out.
    func read<Input, Value>(_ call: ServiceCall, _ input: Input, _ decode: (Input) throws -> Value) throws -> Value
    where Input: Sendable {
        do {
            return try decode(input)
        } catch {
            let text = (error as? XMLTree.Malformed)?.description ?? "the answer is not of the promised form"
            throw AWSError(.malformedAnswer, action: call.title, message: text, mayHaveBeenExecuted: true)
        }
    }

    private func read<Value>(
        _ call: ServiceCall, _ answer: HTTPResponse, _ decode: ([UInt8]) throws -> Value
    ) throws -> Value {
        try read(call, answer.body, decode)
    }

    /// Sends a call until it is answered, refused, out of attempts or out of time. Parameters, ClientToken among them,
    /// are the same in each attempt.
    func send(_ call: ServiceCall, _ options: CallOptions) async throws -> HTTPResponse {
        let deadline = options.deadline ?? timing.instant().advanced(by: AWSClient.defaultTimeout)
        var attempt = 1
        var pause = RetryPause()
        var isRenewed = false
        var isClockCorrected = false
        var isInDoubt = false
        while true {
            let keys = try await keys(for: call, isInDoubt: isInDoubt)
            do {
                try await takePermit(call, options, until: deadline)
                return try await once(call, keys, options, until: deadline)
            } catch var error as AWSError {
                isInDoubt = isInDoubt || error.mayHaveBeenExecuted
                error.mayHaveBeenExecuted = isInDoubt
                if !isClockCorrected, correctClock(error) {
                    isClockCorrected = true
                    continue
                }
                if !isRenewed, error.code == .expiredCredentials, let keys {
                    isRenewed = true
                    await credentials?.forget(keys)
                    continue
                }
                let wait = pause.next(random: timing.random())
                guard attempt < options.attemptsMax, AWSClient.mayRepeat(call, error), !Task.isCancelled,
                    timing.instant().advanced(by: wait) < deadline
                else { throw error }
                attempt += 1
                log.debug(
                    "far call repeated",
                    metadata: ["far_action": "\(call.title)", "error_code": "\(error.code)", "attempt": "\(attempt)"])
                do { try await timing.sleep(wait) } catch { throw error }
            }
        }
    }

    private func keys(for call: ServiceCall, isInDoubt: Bool) async throws -> AWSCredentials? {
        guard call.isSigned else { return nil }
        guard let credentials else { throw CredentialsError(description: "\(call.title) needs credentials") }
        do {
            return try await credentials.current()
        } catch var error as AWSError {
            // Whatever became of AssumeRole: the call itself was not sent this time.
            error.mayHaveBeenExecuted = isInDoubt
            throw error
        }
    }

    private static func mayRepeat(_ call: ServiceCall, _ error: AWSError) -> Bool {
        switch error.code {
        case .throttled: true
        case .serverFault, .network: call.isRepeatable || !error.mayHaveBeenExecuted
        default: false
        }
    }

    private func takePermit(_ call: ServiceCall, _ options: CallOptions, until deadline: ContinuousClock.Instant)
        async throws
    {
        guard call.isRated, !options.dryRun else { return }
        let now = timing.instant()
        guard let wait = rate.book(now: now, most: max(.zero, now.duration(to: deadline))) else {
            throw AWSError(
                .throttled, action: call.title, message: "our own rate for changes leaves no room before the deadline",
                mayHaveBeenExecuted: false)
        }
        guard wait > .zero else { return }
        do {
            try await timing.sleep(wait)
        } catch {
            throw AWSError(
                .network, action: call.title, message: "cancelled before it was sent", mayHaveBeenExecuted: false)
        }
    }

    private func once(
        _ call: ServiceCall, _ keys: AWSCredentials?, _ options: CallOptions, until deadline: ContinuousClock.Instant
    ) async throws -> HTTPResponse {
        let left = timing.instant().duration(to: deadline)
        guard left > .zero else {
            throw AWSError(.network, action: call.title, message: "the deadline has passed", mayHaveBeenExecuted: false)
        }
        let base = try endpoints.url(call.service, region: region)
        let now = timing.now().addingTimeInterval(clock.ahead.withLock { $0 })
        var (headers, body) = call.encoded(dryRun: options.dryRun)
        let parts = URLComponents(string: base)
        let place = call.place
        let path = (parts?.percentEncodedPath ?? "") + place.path
        if let keys {
            let host = (parts?.host ?? "") + (parts?.port.map { ":\($0)" } ?? "")
            let signature = RequestSignature(
                credentials: keys, region: region, service: call.service.rawValue, date: now)
            headers += signature.headers(
                method: place.method, path: path, query: place.query,
                headers: headers + [(name: "Host", value: host)], body: body)
        }
        if let traceparent = options.traceparent { headers.append(("traceparent", traceparent)) }
        let query = place.query.isEmpty ? "" : "?" + RequestSignature.canonicalQuery(place.query)
        var request = HTTPRequest(
            method: place.method, url: base + place.path + query, headers: headers,
            body: place.method == "GET" ? nil : body, timeout: min(left, call.attemptTimeout),
            responseBytesMax: 32 << 20)
        request.operation = HTTPOperation(side: call.service.rawValue, name: call.action)
        let answer: HTTPResponse
        do {
            answer = try await transport.send(request)
        } catch let error as HTTPError {
            throw AWSError(
                error.code == .tooLarge ? .malformedAnswer : .network, action: call.title, message: error.description,
                mayHaveBeenExecuted: error.mayHaveReachedServer)
        }
        guard (200..<300).contains(answer.status) else {
            throw ErrorAnswer.error(call, answer, at: timing.now(), hiding: keys?.secrets ?? [])
        }
        return answer
    }

    /// Sets our clock by the `Date` header when the refusal can come from it. True: worth another try.
    private func correctClock(_ error: AWSError) -> Bool {
        guard AWSErrorTable.mayBeClock(error.awsCode), let ahead = error.serverClockAheadSeconds else { return false }
        let isCorrected = clock.ahead.withLock { known in
            guard abs(ahead - known) > AWSClient.clockTolerance else { return false }
            known = ahead
            return true
        }
        if isCorrected { log.warning("clock corrected", metadata: ["ahead_seconds": "\(Int(ahead))"]) }
        return isCorrected
    }
}

/// How far the clock of AWS is ahead of ours, once it was found to differ: the same for all clients of this machine.
final class ClockCorrection: Sendable {
    let ahead = Mutex<TimeInterval>(0)
}
