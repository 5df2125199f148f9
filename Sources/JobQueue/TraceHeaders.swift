import Instrumentation

/// A W3C trace context as its two headers carry it. It goes between a job's row and the task that runs through whatever
/// tracer the process has set up with swift-distributed-tracing; without one, what a job came with is handed on as it is.
public struct TraceHeaders: Sendable, Equatable {
    /// Which span of which trace: `00-<32 hex>-<16 hex>-<2 hex>`.
    public let traceparent: String
    /// What other tracers keep beside it; never there without a `traceparent`.
    public let tracestate: String?

    /// What W3C asks everybody to hand on at least, and the most that a row keeps.
    public static let stateBytesMax = 512
    /// Later versions of the standard may add fields behind the four that are known.
    private static let parentBytes = 55...128

    /// Takes two headers that came from outside. nil: `traceparent` is not of its form. A `tracestate` that is no text of
    /// a header, or is longer than 512 bytes, is as if it were not there; its entries are the tracer's to judge.
    public init?(traceparent: String?, tracestate: String? = nil) {
        guard let traceparent, Self.isOfForm(traceparent) else { return nil }
        self.traceparent = traceparent
        self.tracestate = tracestate.flatMap { Self.isHeaderText($0, 1...Self.stateBytesMax) ? $0 : nil }
    }

    /// The headers of a context; nil: it belongs to no span.
    public init?(_ context: InstrumentationContext) {
        var carrier: [String: String] = [:]
        InstrumentationSystem.instrument.inject(context, into: &carrier, using: Fields())
        self.init(traceparent: carrier[Self.parentName], tracestate: carrier[Self.stateName])
    }

    /// The headers of the running task; nil: nothing is traced.
    public static var current: TraceHeaders? { InstrumentationContext.current.flatMap { TraceHeaders($0) } }

    /// The context that headers name; empty when there are none, or no tracer.
    public static func context(_ headers: TraceHeaders?) -> InstrumentationContext {
        var context = InstrumentationContext.topLevel
        guard let headers else { return context }
        var carrier = [parentName: headers.traceparent]
        carrier[stateName] = headers.tracestate
        InstrumentationSystem.instrument.extract(carrier, into: &context, using: Fields())
        return context
    }

    private static let parentName = "traceparent"
    private static let stateName = "tracestate"

    private struct Fields: Injector, Extractor {
        func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) {
            carrier[key] = value
        }
        func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
    }

    private static func isOfForm(_ text: String) -> Bool {
        let dash = UInt8(ascii: "-")
        guard isHeaderText(text, parentBytes) else { return false }
        for (index, byte) in text.utf8.enumerated().prefix(parentBytes.lowerBound + 1) {
            switch index {
            case 2, 35, 52, 55: if byte != dash { return false }
            default:
                let isHex =
                    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
                if !isHex { return false }
            }
        }
        return true
    }

    /// Printable ASCII: nothing that could end a header.
    private static func isHeaderText(_ text: String, _ bytes: ClosedRange<Int>) -> Bool {
        bytes.contains(text.utf8.count) && text.utf8.allSatisfy { (0x20...0x7e).contains($0) }
    }
}
