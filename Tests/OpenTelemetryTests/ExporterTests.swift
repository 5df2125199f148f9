import Foundation
import HTTPClient
import Logging
import ServiceLifecycle
import Testing
import Tracing

@testable import OpenTelemetry

@Suite("Spans on their way to a collector", .timeLimit(.minutes(10)))
struct ExporterTests {
    let collector: Collector

    init() throws { collector = try Collector() }

    private func exporter(
        _ path: String, _ queue: SpanQueue, timeout: Duration = .seconds(5), delay: Duration = .milliseconds(10)
    ) -> SpanExporter {
        var configuration = ExporterConfiguration(url: collector.url(path))
        configuration.headers = [(name: "X-Token", value: "sesame")]
        configuration.resource = ["service.name": "test"]
        configuration.timeout = timeout
        configuration.delay = delay
        configuration.batchMax = 10
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return SpanExporter(configuration, queue: queue, logger: logger)
    }

    @Test("a trace arrives with parents, kinds, attributes, links, errors and times, as the specification says")
    func wholeTrace() async throws {
        struct Trouble: Error {}
        let queue = SpanQueue()
        let tracer = SpanTracer(sampler: .always, queue: queue)
        let far = try #require(TraceContext(traceparent: TraceContextTests.text))
        var origin = InstrumentationContext.topLevel
        origin.trace = far
        tracer.withSpan("outer", context: origin, ofKind: .consumer) { span in
            span.attributes["text"] = "a"
            span.attributes["number"] = 7
            span.attributes["flag"] = true
            span.addLink(SpanLink(context: origin, attributes: [:]))
            try? tracer.withSpan("inner", ofKind: .client) { inner in  // the throw is what is recorded
                inner.setStatus(SpanStatus(code: .error, message: "no"))
                throw Trouble()
            }
        }
        await exporter("/v1/traces", queue).flush()
        let request = try #require(try await collector.seen().first)
        #expect(request.headers["content-type"] == "application/json")
        #expect(request.headers["x-token"] == "sesame")
        #expect(request.headers["traceparent"] == nil, "the exporter traces itself")
        #expect(request.body.contains(#"{"key":"service.name","value":{"stringValue":"test"}}"#))
        let spans = try await collector.spans()
        let outer = try #require(spans.first { $0.name == "outer" })
        let inner = try #require(spans.first { $0.name == "inner" })
        #expect(spans.count == 2)
        #expect(outer.traceId == far.traceID.description && inner.traceId == outer.traceId)
        #expect(outer.parentSpanId == far.spanText && inner.parentSpanId == outer.spanId)
        #expect(outer.kind == 5 && inner.kind == 3)
        #expect(outer.attribute("text") == "a" && outer.attribute("number") == "7")
        #expect(outer.attributes.first { $0.key == "flag" }?.value.boolValue == true)
        #expect(outer.links.first?.spanId == far.spanText)
        #expect(inner.status.code == 2 && outer.status.code == 0)
        #expect(inner.events.first?.name == "exception")
        let (start, end) = (try #require(UInt64(inner.startTimeUnixNano)), try #require(UInt64(inner.endTimeUnixNano)))
        #expect(start <= end && start > 1_700_000_000_000_000_000)
    }

    @Test("a trace that is not sampled goes on to far sides, and is not exported")
    func unsampled() {
        let queue = SpanQueue()
        let tracer = SpanTracer(sampler: .never, queue: queue)
        tracer.withSpan("a") { span in
            #expect(!span.isRecording)
            #expect(span.context.trace?.traceparent.hasSuffix("-00") == true)
        }
        #expect(queue.count == 0)
    }

    @Test("a collector that is busy is asked again and gets each span once")
    func busy() async throws {
        let queue = SpanQueue()
        SpanTracer(sampler: .always, queue: queue).withSpan("a") { _ in }
        await exporter("/busy", queue, timeout: .seconds(60)).flush()
        let bodies = try await collector.seen().map(\.body)
        #expect(bodies.count == 3 && Set(bodies).count == 1, "two refusals, then the same again")
    }

    @Test("what a collector refuses is dropped, and the next batch is sent")
    func refused() async throws {
        let queue = SpanQueue()
        let tracer = SpanTracer(sampler: .always, queue: queue)
        for number in 0..<15 { tracer.withSpan("span \(number)") { _ in } }
        await exporter("/refuse", queue).flush()
        #expect(try await collector.seen().count == 2, "ten and five, neither twice")
        #expect(queue.count == 0)
    }

    @Test("a collector that hangs holds up nobody: spans find no room, are counted, and the exporter stops in time")
    func hanging() async throws {
        let queue = SpanQueue(spansMax: 100, batchMax: 10)
        let tracer = SpanTracer(sampler: .always, queue: queue)
        let group = ServiceGroup(
            services: [exporter("/hang", queue, timeout: .milliseconds(300))], logger: Logger(label: "test"))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            let start = ContinuousClock.now
            for _ in 0..<20_000 { tracer.withSpan("a") { _ in } }
            #expect(ContinuousClock.now - start < .seconds(60))
            #expect(queue.dropped > 10_000)
            #expect(queue.count <= 100)
            let stop = ContinuousClock.now
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
            #expect(ContinuousClock.now - stop < .seconds(60))
        }
    }

    @Test("a full batch goes before its time, a lonely span after it, and the last ones at the end")
    func batches() async throws {
        let queue = SpanQueue(spansMax: 100, batchMax: 10)
        let tracer = SpanTracer(sampler: .always, queue: queue)
        let group = ServiceGroup(
            services: [exporter("/v1/traces", queue, delay: .seconds(3600))], logger: Logger(label: "test"))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            for _ in 0..<10 { tracer.withSpan("early") { _ in } }
            while try await collector.spans().count < 10 { await Task.yield() }  // the suite's time limit ends it
            tracer.withSpan("last") { _ in }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        #expect(try await collector.spans().map(\.name).last == "last")
        #expect(try await collector.spans().count == 11)
    }
}
