import Instrumentation

/// Carries the W3C trace context between a job's row and the task that runs, through whatever tracer the process has set
/// up with swift-distributed-tracing. Without one there is no context, and nothing is stored or sent.
public enum TraceParent {
    private struct Fields: Injector, Extractor {
        func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) {
            carrier[key] = value
        }
        func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
    }

    /// The name of the header and of the column.
    private static let name = "traceparent"

    /// The value of `traceparent` for the running task; nil: nothing is traced.
    public static var current: String? { InstrumentationContext.current.flatMap(text) }

    /// The value of `traceparent` for a context; nil: it belongs to no span.
    public static func text(_ context: InstrumentationContext) -> String? {
        var carrier: [String: String] = [:]
        InstrumentationSystem.instrument.inject(context, into: &carrier, using: Fields())
        return carrier[name]
    }

    /// The context that a stored value names; empty when there is none.
    public static func context(_ traceparent: String?) -> InstrumentationContext {
        var context = InstrumentationContext.topLevel
        guard let traceparent else { return context }
        InstrumentationSystem.instrument.extract([name: traceparent], into: &context, using: Fields())
        return context
    }
}
