import Tracing

/// The process's tracer: makes spans, decides which are recorded, and hands those that ended to the exporter's queue.
public struct SpanTracer: Tracer {
    private let sampler: TraceSampler
    private let queue: SpanQueue

    /// The headers that carry the context; also their names in a job's row.
    public static let headerName = "traceparent"
    /// The second one: goes only with the first.
    public static let stateHeaderName = "tracestate"

    /// Makes a tracer.
    /// - Parameter queue: where ended spans go; an exporter empties it.
    public init(sampler: TraceSampler, queue: SpanQueue) {
        self.sampler = sampler
        self.queue = queue
    }

    /// Starts a span below that of the context, or a new trace.
    public func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> InstrumentationContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
    ) -> RecordedSpan {
        let context = context()
        let parent = context.trace
        let traceID =
            parent?.traceID ?? TraceID(high: .random(in: 0...UInt64.max), low: .random(in: 1...UInt64.max))
        let trace = TraceContext(
            traceID: traceID, spanID: .random(in: 1...UInt64.max), isSampled: sampler.samples(traceID, parent: parent),
            state: parent?.state)
        return RecordedSpan(
            operationName, trace, parent: parent?.spanID, kind: kind, context: context,
            startNanoseconds: instant().nanosecondsSinceEpoch, onEnd: { queue.add($0) })
    }

    /// Asks nothing: the exporter sends at its own pace, and all of it when the process ends.
    public func forceFlush() {}

    /// Writes `traceparent`, and `tracestate` where there is one.
    public func inject<Carrier, Inject: Injector>(
        _ context: InstrumentationContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let trace = context.trace else { return }
        injector.inject(trace.traceparent, forKey: Self.headerName, into: &carrier)
        if let state = trace.state { injector.inject(state.text, forKey: Self.stateHeaderName, into: &carrier) }
    }

    /// Reads both; what is not of its form is as if it were not there, and `tracestate` is nothing by itself.
    public func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout InstrumentationContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        guard let text = extractor.extract(key: Self.headerName, from: carrier) else { return }
        context.trace = TraceContext(
            traceparent: text, tracestate: extractor.extract(key: Self.stateHeaderName, from: carrier))
    }
}
