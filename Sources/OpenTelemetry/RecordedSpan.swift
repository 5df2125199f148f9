import Synchronization
import Tracing

/// What is known of a span when it has ended: what is exported.
struct FinishedSpan: Sendable {
    let trace: TraceContext
    let parent: UInt64?
    let name: String
    let kind: SpanKind
    let startNanoseconds: UInt64
    let endNanoseconds: UInt64
    let attributes: SpanAttributes
    let events: [SpanEvent]
    let links: [Link]
    let status: SpanStatus?

    struct Link: Sendable {
        let trace: TraceContext
        let attributes: SpanAttributes
    }
}

/// A span that is being recorded, or that only carries its context because its trace is not sampled.
public final class RecordedSpan: Span, Sendable {
    private struct State {
        var name: String
        var attributes: SpanAttributes = [:]
        var events: [SpanEvent] = []
        var links: [FinishedSpan.Link] = []
        var status: SpanStatus?
        var isEnded = false
    }

    /// What children and far sides are told.
    public let context: InstrumentationContext
    private let trace: TraceContext
    private let parent: UInt64?
    private let kind: SpanKind
    private let startNanoseconds: UInt64
    private let state: Mutex<State>
    private let onEnd: @Sendable (FinishedSpan) -> Void

    /// Events and links a span may have: more are dropped.
    static let eventsMax = 128

    init(
        _ name: String, _ trace: TraceContext, parent: UInt64?, kind: SpanKind, context: InstrumentationContext,
        startNanoseconds: UInt64, onEnd: @escaping @Sendable (FinishedSpan) -> Void
    ) {
        var context = context
        context.trace = trace
        self.context = context
        self.trace = trace
        self.parent = parent
        self.kind = kind
        self.startNanoseconds = startNanoseconds
        state = Mutex(State(name: name))
        self.onEnd = onEnd
    }

    /// False for a span that is not sampled, and for one that has ended.
    public var isRecording: Bool { trace.isSampled && !state.withLock { $0.isEnded } }

    /// The span's name.
    public var operationName: String {
        get { state.withLock { $0.name } }
        set { change { $0.name = newValue } }
    }

    /// Key and value pairs.
    public var attributes: SpanAttributes {
        get { state.withLock { $0.attributes } }
        set { change { $0.attributes = newValue } }
    }

    /// Says how it ended.
    public func setStatus(_ status: SpanStatus) { change { $0.status = status } }

    /// Notes something that happened.
    public func addEvent(_ event: SpanEvent) {
        change { state in if state.events.count < Self.eventsMax { state.events.append(event) } }
    }

    /// Notes an error, as the semantic conventions name it.
    public func recordError<Instant: TracerInstant>(
        _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
    ) {
        var attributes = attributes
        attributes["exception.type"] = String(describing: type(of: error))
        attributes["exception.message"] = String(String(describing: error).prefix(1000))
        addEvent(SpanEvent(name: "exception", at: instant(), attributes: attributes))
    }

    /// Names another span that this one follows from.
    public func addLink(_ link: SpanLink) {
        guard let other = link.context.trace else { return }
        change { state in
            if state.links.count < Self.eventsMax {
                state.links.append(FinishedSpan.Link(trace: other, attributes: link.attributes))
            }
        }
    }

    /// Ends it; a second end changes nothing.
    public func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        let ended: State? = state.withLock { state in
            if state.isEnded { return nil }
            state.isEnded = true
            return state
        }
        guard let ended, trace.isSampled else { return }
        onEnd(
            FinishedSpan(
                trace: trace, parent: parent, name: ended.name, kind: kind, startNanoseconds: startNanoseconds,
                endNanoseconds: instant().nanosecondsSinceEpoch, attributes: ended.attributes, events: ended.events,
                links: ended.links, status: ended.status))
    }

    private func change(_ body: (inout State) -> Void) {
        guard trace.isSampled else { return }
        state.withLock { state in if !state.isEnded { body(&state) } }
    }
}
