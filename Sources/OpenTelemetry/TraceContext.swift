import Tracing

/// Which span of which trace. Source: W3C Trace Context, level 1, sections 3.2 (`traceparent`) and 3.3 (`tracestate`).
public struct TraceContext: Sendable, Hashable {
    /// 128 bits, never all zero.
    public let traceID: TraceID
    /// 64 bits, never zero.
    public let spanID: UInt64
    /// Whether whoever began the trace records it.
    public let isSampled: Bool
    /// What other tracers keep beside it; handed on as it came.
    public let state: TraceState?

    /// Names a span.
    public init(traceID: TraceID, spanID: UInt64, isSampled: Bool, state: TraceState? = nil) {
        self.traceID = traceID
        self.spanID = spanID
        self.isSampled = isSampled
        self.state = state
    }

    /// Reads `00-<32 hex>-<16 hex>-<2 hex>`; of a later version, the same four fields. nil: it is not of that form.
    /// - Parameter tracestate: the header beside it; one that is not of its form is as if it were not there.
    public init?(traceparent: String, tracestate: String? = nil) {
        let bytes = Array(traceparent.utf8)
        let dash = UInt8(ascii: "-")
        guard bytes.count >= 55, bytes[2] == dash, bytes[35] == dash, bytes[52] == dash,
            let version = Hexadecimal.number(bytes[0..<2]), version != 255,
            bytes.count == 55 || (version > 0 && bytes[55] == dash),
            let high = Hexadecimal.number(bytes[3..<19]), let low = Hexadecimal.number(bytes[19..<35]),
            let span = Hexadecimal.number(bytes[36..<52]), let flags = Hexadecimal.number(bytes[53..<55]),
            high != 0 || low != 0, span != 0
        else { return nil }
        self.init(
            traceID: TraceID(high: high, low: low), spanID: span, isSampled: flags & 1 == 1,
            state: tracestate.flatMap { TraceState($0) })
    }

    /// The header's value, of version 00.
    public var traceparent: String {
        "00-\(traceID)-\(Hexadecimal.text(spanID))-0\(isSampled ? 1 : 0)"
    }

    /// The span's id in hexadecimal.
    public var spanText: String { Hexadecimal.text(spanID) }
}

/// The 128 bits that all spans of a trace share.
public struct TraceID: Sendable, Hashable, CustomStringConvertible {
    /// The first eight bytes.
    public let high: UInt64
    /// The last eight bytes; sampling by ratio looks at them.
    public let low: UInt64

    /// Makes an id of two halves.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// 32 hexadecimal digits.
    public var description: String { Hexadecimal.text(high) + Hexadecimal.text(low) }
}

/// Numbers as lower-case digits, which is the only form that the standard takes.
enum Hexadecimal {
    static func text(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
        var number: UInt64 = 0
        for digit in digits {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt64(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return number
    }
}

private enum TraceContextKey: InstrumentationContextKey {
    typealias Value = TraceContext
    static var nameOverride: String? { "traceparent" }
}

extension InstrumentationContext {
    /// The span that this context belongs to; nil: none.
    public var trace: TraceContext? {
        get { self[TraceContextKey.self] }
        set { self[TraceContextKey.self] = newValue }
    }
}
