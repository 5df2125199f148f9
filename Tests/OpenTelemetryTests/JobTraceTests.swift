import Foundation
import HTTPClient
import JobQueue
import Logging
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing
import Tracing
import Worker

@testable import OpenTelemetry

@Suite("A job's trace", .timeLimit(.minutes(10)))
struct JobTraceTests {
    struct Closure: Handler {
        let body: @Sendable (HandlerContext) async throws -> Outcome
        func run(_ context: HandlerContext) async throws -> Outcome { try await body(context) }
    }

    private static func spec(_ kind: JobKind) -> JobSpec {
        JobSpec(
            kind: kind, timeoutSeconds: 60,
            retries: RetryPolicy(attemptsMax: 3, firstSeconds: 0.01, factor: 1, maxSeconds: 0.02, jitter: 0))
    }

    /// Enqueues inside a span, runs until so many spans have ended, and gives them in the order of their ends.
    private func spans(
        _ handlers: [JobKind: @Sendable (HandlerContext) async throws -> Outcome], first: JobKind, count: Int,
        origin: TraceHeaders? = nil
    ) async throws -> (spans: [FinishedSpan], enqueued: TraceContext) {
        let queue = SpanQueue(spansMax: 1000)
        let ledger = MemoryLedger(clock: { Date() })
        let specs = handlers.keys.map(Self.spec)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        var configuration = WorkerConfiguration()
        configuration.scanEvery = .milliseconds(10)
        let worker = WorkerProcess(
            ledger: ledger, broker: nil, handlers: handlers.mapValues { Closure(body: $0) }, specs: specs,
            configuration: configuration, logger: logger)
        let group = ServiceGroup(services: [worker], logger: logger)
        let enqueued = try await withTracer(SpanTracer(sampler: .always, queue: queue)) {
            let trace = try await withSpan("enqueue", context: TraceHeaders.context(origin)) { span in
                _ = try await ledger.enqueue([NewJob(request: JobRequest(first), spec: Self.spec(first))])
                return try #require(span.context.trace)
            }
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await group.run() }
                try await eventually("\(count) spans have ended") { queue.count >= count }
                await group.triggerGracefulShutdown()
                try await tasks.waitForAll()
            }
            return trace
        }
        return (queue.take(atMost: 1000), enqueued)
    }

    @Test("the first run is a child of the enqueue; a retry is a trace of its own that links to it")
    func retriesAreLinks() async throws {
        let (spans, enqueued) = try await spans(
            [
                "flaky": { context in
                    if context.job.attempt == 1 { throw QueueError(.transient, "once") }
                    return .done
                }
            ], first: "flaky", count: 3)
        let runs = spans.filter { $0.name == "run flaky" }
        try #require(runs.count == 2)
        #expect(runs[0].trace.traceID == enqueued.traceID)
        #expect(runs[0].parent == enqueued.spanID)
        #expect(runs[0].links.isEmpty)
        #expect(runs[0].status?.code == .error)
        #expect(runs[1].trace.traceID != enqueued.traceID)
        #expect(runs[1].parent == nil)
        #expect(runs[1].links.map(\.trace) == [enqueued])
        #expect(runs[1].status == nil)
    }

    @Test("a follow-up's first run is a child of the run that asked for it")
    func followUps() async throws {
        let (spans, enqueued) = try await spans(
            [
                "first": { _ in Outcome(followUps: [JobRequest("second")]) },
                "second": { _ in .done },
            ], first: "first", count: 3)
        let first = try #require(spans.first { $0.name == "run first" })
        let second = try #require(spans.first { $0.name == "run second" })
        #expect(second.trace.traceID == enqueued.traceID)
        #expect(second.parent == first.trace.spanID)
    }

    @Test("an effect is a span of its run, and its far call carries the trace on by W3C traceparent")
    func farCalls() async throws {
        let collector = try Collector()
        let transport = HTTPTransport()
        let url = collector.url("/far")
        let (spans, enqueued) = try await spans(
            [
                "caller": { context in
                    let intent = EffectIntent(key: "k", step: "call", effectClass: .token, request: .emptyObject)
                    _ = try await context.effect(intent) { call in
                        #expect(call.traceparent?.contains(String(repeating: "0", count: 32)) == false)
                        var request = HTTPRequest(method: "GET", url: url)
                        request.operation = HTTPOperation(side: "ec2", name: "RunInstances")
                        _ = try await transport.send(request)
                        return .emptyObject
                    }
                    return .done
                }
            ], first: "caller", count: 4)
        let run = try #require(spans.first { $0.name == "run caller" })
        let effect = try #require(spans.first { $0.name == "effect call" })
        let call = try #require(spans.first { $0.name == "ec2 RunInstances" })
        #expect(effect.parent == run.trace.spanID)
        #expect(call.parent == effect.trace.spanID)
        #expect(call.trace.traceID == enqueued.traceID)
        let header = try await collector.seen().first { $0.path == "/far" }?.headers["traceparent"]
        #expect(header == call.trace.traceparent)
    }

    @Test(
        "what other tracers keep beside a trace goes through jobs and follow-ups to far calls; a retry's own trace has none"
    )
    func tracestate() async throws {
        let collector = try Collector()
        let transport = HTTPTransport()
        let url = collector.url("/far")
        let state = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
        let seen = Mutex<[String: TraceHeaders]>([:])
        let (spans, _) = try await spans(
            [
                "first": { _ in Outcome(followUps: [JobRequest("second")]) },
                "second": { context in
                    if context.job.attempt == 1 {
                        let intent = EffectIntent(key: "k", step: "call", effectClass: .token, request: .emptyObject)
                        _ = try await context.effect(intent) { call in
                            seen.withLock {
                                $0["effect"] = TraceHeaders(traceparent: call.traceparent, tracestate: call.tracestate)
                            }
                            _ = try await transport.send(HTTPRequest(url: url))
                            return .emptyObject
                        }
                        throw QueueError(.transient, "once")
                    }
                    seen.withLock {
                        $0["retry"] = TraceHeaders.current
                        $0["job"] = context.job.trace
                    }
                    return .done
                },
            ], first: "first", count: 6,
            origin: TraceHeaders(traceparent: TraceContextTests.text, tracestate: state))
        let header = try #require(try await collector.seen().first { $0.path == "/far" }).headers
        #expect(header["tracestate"] == state)
        #expect(header["traceparent"]?.contains("4bf92f3577b34da6a3ce929d0e0e4736") == true)
        let found = seen.withLock { $0 }
        #expect(found["effect"]?.tracestate == state)
        #expect(found["job"]?.tracestate == state, "the row keeps it for whoever looks")
        let retry = try #require(found["retry"])
        #expect(retry.tracestate == nil, "a new trace begins without")
        #expect(spans.first { $0.name == "enqueue" }?.trace.state?.text == state)
        #expect(spans.last { $0.name == "run second" }?.links.first?.trace.state?.text == state)
    }

    @Test("a process without a tracer hands on what a job came with, and adds nothing")
    func withoutTracer() async throws {
        let ledger = MemoryLedger(clock: { Date() })
        let specs = ["first", "second"].map { Self.spec($0) }
        let seen = Mutex<TraceHeaders?>(nil)
        let handlers: [JobKind: any Handler] = [
            "first": Closure { _ in Outcome(followUps: [JobRequest("second")]) },
            "second": Closure { context in
                seen.withLock { $0 = context.job.trace }
                return .done
            },
        ]
        var configuration = WorkerConfiguration()
        configuration.scanEvery = .milliseconds(10)
        let worker = WorkerProcess(
            ledger: ledger, broker: nil, handlers: handlers, specs: specs, configuration: configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let group = ServiceGroup(services: [worker], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let request = JobRequest("first", traceparent: TraceContextTests.text, tracestate: "a=1")
        _ = try await ledger.enqueue([NewJob(request: request, spec: specs[0])])
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await eventually("the follow-up has run") { seen.withLock { $0 } != nil }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        #expect(seen.withLock { $0 } == TraceHeaders(traceparent: TraceContextTests.text, tracestate: "a=1"))
    }

    @Test(
        "what is not of a header's form is as if it were not there",
        arguments: [
            ("nonsense", "a=1", false, nil), (TraceContextTests.text, "a=1\r\nX-Evil: 1", true, nil),
            (TraceContextTests.text, String(repeating: "a", count: 513), true, nil),
            (TraceContextTests.text, "", true, nil), (TraceContextTests.text, "a=é", true, nil),
            (TraceContextTests.text + "-more", "a=1", true, "a=1"),
            (TraceContextTests.text + "more", "a=1", false, nil),
            (TraceContextTests.text.uppercased(), "a=1", false, nil),
            (TraceContextTests.text, String(repeating: "a", count: 512), true, String(repeating: "a", count: 512)),
        ] as [(String, String, Bool, String?)])
    func form(_ parent: String, _ state: String, _ isTrace: Bool, _ kept: String?) throws {
        let headers = TraceHeaders(traceparent: parent, tracestate: state)
        #expect((headers != nil) == isTrace)
        #expect(headers?.tracestate == kept)
        let spec = Self.spec("any")
        let request = JobRequest("any", traceparent: parent, tracestate: state)
        let job = try NewJob(request: request, spec: spec).resolved()
        #expect(job.traceparent == (isTrace ? parent : nil) && job.tracestate == kept)
    }

    @Test("without a tracer nothing is stored, and nothing is sent")
    func silent() async throws {
        let collector = try Collector()
        #expect(TraceHeaders.current == nil)
        let headers = TraceHeaders(traceparent: TraceContextTests.text)
        #expect(TraceHeaders(TraceHeaders.context(headers)) == nil)
        _ = try await HTTPTransport().send(HTTPRequest(url: collector.url("/far")))
        #expect(try await collector.seen().first?.headers["traceparent"] == nil)
    }
}
