import Metrics
import Tracing

/// What a request does, in few words of a fixed list: they label metrics and name spans.
public struct HTTPOperation: Sendable, Hashable {
    /// The far side: `ec2`, `sqs`, `kubernetes`.
    public var side: String
    /// The call: `DescribeInstances`, `list`. Never a name, an id or a path.
    public var name: String

    /// Names a call.
    public init(side: String, name: String) {
        self.side = side
        self.name = name
    }
}

extension HTTPTransport {
    /// Runs one exchange as a span of kind client, tells the far side its context, and measures it.
    /// Attribute names: OpenTelemetry semantic conventions for HTTP client spans.
    func observed(
        _ request: HTTPRequest, _ exchange: @Sendable (HTTPRequest) async throws -> HTTPResponse
    ) async throws -> HTTPResponse {
        let operation = request.operation ?? HTTPOperation(side: "http", name: request.method)
        return try await withSpan("\(operation.side) \(operation.name)", ofKind: .client) { span in
            if span.isRecording {
                span.updateAttributes { attributes in
                    attributes["http.request.method"] = request.method
                    attributes["server.address"] = request.host
                    attributes["cloudoptim.far.side"] = operation.side
                }
            }
            let start = ContinuousClock.now
            do {
                let response = try await exchange(request.carrying(span.context))
                note(operation, since: start, problem: response.status >= 400 ? "\(response.status / 100)xx" : nil)
                if span.isRecording {
                    span.attributes["http.response.status_code"] = response.status
                    if response.status >= 400 { span.setStatus(SpanStatus(code: .error)) }
                }
                return response
            } catch {
                let code = (error as? HTTPError)?.code ?? .network
                note(operation, since: start, problem: code.rawValue)
                span.setStatus(SpanStatus(code: .error, message: code.rawValue))
                throw error
            }
        }
    }

    private func note(_ operation: HTTPOperation, since start: ContinuousClock.Instant, problem: String?) {
        let labels = [("side", operation.side), ("operation", operation.name)]
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        Metrics.Timer(label: "far_call_seconds", dimensions: labels)
            .recordNanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
        guard let problem else { return }
        Counter(label: "far_call_errors_total", dimensions: labels + [("code", problem)]).increment()
    }
}

private struct HeaderInjector: Injector {
    func inject(_ value: String, forKey key: String, into headers: inout [(name: String, value: String)]) {
        headers.append((name: key, value: value))
    }
}

extension HTTPRequest {
    /// The request with the context's headers (`traceparent`, `tracestate`), unless its caller set one.
    func carrying(_ context: InstrumentationContext) -> HTTPRequest {
        if headers.contains(where: { $0.name.lowercased() == "traceparent" }) { return self }
        var request = self
        InstrumentationSystem.instrument.inject(context, into: &request.headers, using: HeaderInjector())
        return request
    }

    /// The host of the URL, without a user, for spans.
    var host: String {
        let rest = url.firstRange(of: "://").map { url[$0.upperBound...] } ?? url[...]
        let authority = rest.prefix { !"/?#".contains($0) }
        return String(authority.lastIndex(of: "@").map { authority[authority.index(after: $0)...] } ?? authority)
    }
}
