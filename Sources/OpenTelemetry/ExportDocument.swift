import Foundation
import Tracing

/// A batch of spans as OTLP's JSON: `ExportTraceServiceRequest` of opentelemetry-proto 1.x, `trace_service.proto` and
/// `trace.proto`. Ids are hexadecimal and 64-bit numbers are strings, as the OTLP specification says for JSON.
struct ExportDocument: Encodable {
    let resourceSpans: [ResourceSpans]

    init(_ spans: [FinishedSpan], resource: [String: String], scope: String, version: String) {
        resourceSpans = [
            ResourceSpans(
                resource: Resource(
                    attributes: resource.sorted { $0.key < $1.key }.map { KeyValue($0.key, .string($0.value)) }),
                scopeSpans: [
                    ScopeSpans(scope: Scope(name: scope, version: version), spans: spans.map(SpanDocument.init))
                ])
        ]
    }

    struct ResourceSpans: Encodable {
        let resource: Resource
        let scopeSpans: [ScopeSpans]
    }

    struct Resource: Encodable { let attributes: [KeyValue] }

    struct Scope: Encodable {
        let name: String
        let version: String
    }

    struct ScopeSpans: Encodable {
        let scope: Scope
        let spans: [SpanDocument]
    }

    struct KeyValue: Encodable {
        let key: String
        let value: AnyValue

        init(_ key: String, _ value: AnyValue) {
            self.key = key
            self.value = value
        }
    }

    struct SpanDocument: Encodable {
        let traceId: String
        let spanId: String
        let traceState: String?
        let parentSpanId: String?
        let flags: Int
        let name: String
        let kind: Int
        let startTimeUnixNano: String
        let endTimeUnixNano: String
        let attributes: [KeyValue]
        let events: [Event]
        let links: [Link]
        let status: Status

        struct Event: Encodable {
            let timeUnixNano: String
            let name: String
            let attributes: [KeyValue]
        }

        struct Link: Encodable {
            let traceId: String
            let spanId: String
            let traceState: String?
            let attributes: [KeyValue]
        }

        struct Status: Encodable {
            let code: Int
            let message: String?
        }
    }
}

extension ExportDocument.SpanDocument {
    init(_ span: FinishedSpan) {
        traceId = span.trace.traceID.description
        spanId = span.trace.spanText
        traceState = span.trace.state?.text
        parentSpanId = span.parent.map(Hexadecimal.text)
        flags = span.trace.isSampled ? 1 : 0
        name = span.name
        kind = Self.number(of: span.kind)
        startTimeUnixNano = String(span.startNanoseconds)
        endTimeUnixNano = String(max(span.startNanoseconds, span.endNanoseconds))
        attributes = ExportDocument.pairs(span.attributes)
        events = span.events.map {
            Event(
                timeUnixNano: String($0.nanosecondsSinceEpoch), name: $0.name,
                attributes: ExportDocument.pairs($0.attributes))
        }
        links = span.links.map {
            Link(
                traceId: $0.trace.traceID.description, spanId: $0.trace.spanText, traceState: $0.trace.state?.text,
                attributes: ExportDocument.pairs($0.attributes))
        }
        status = Status(code: Self.number(of: span.status?.code), message: span.status?.message)
    }

    /// `SpanKind` of trace.proto.
    private static func number(of kind: SpanKind) -> Int {
        switch kind {
        case .internal: 1
        case .server: 2
        case .client: 3
        case .producer: 4
        case .consumer: 5
        }
    }

    /// `StatusCode` of trace.proto; 0 is unset.
    private static func number(of code: SpanStatus.Code?) -> Int {
        switch code {
        case nil: 0
        case .ok: 1
        case .error: 2
        }
    }
}

/// A value of an attribute: `AnyValue` of common.proto.
enum AnyValue: Encodable {
    case string(String)
    case int(Int64)
    case double(Double)
    case bool(Bool)
    case array([AnyValue])

    private enum CodingKeys: String, CodingKey { case stringValue, intValue, doubleValue, boolValue, arrayValue }
    private struct Values: Encodable { let values: [AnyValue] }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .string(let text): try container.encode(text, forKey: .stringValue)
        case .int(let number): try container.encode(String(number), forKey: .intValue)
        // JSON has no word for these three; the proto mapping writes them as text.
        case .double(let number) where !number.isFinite: try container.encode("\(number)", forKey: .stringValue)
        case .double(let number): try container.encode(number, forKey: .doubleValue)
        case .bool(let flag): try container.encode(flag, forKey: .boolValue)
        case .array(let values): try container.encode(Values(values: values), forKey: .arrayValue)
        }
    }

    init(_ attribute: SpanAttribute) {
        switch attribute {
        case .int32(let value): self = .int(Int64(value))
        case .int64(let value): self = .int(value)
        case .int32Array(let values): self = .array(values.map { .int(Int64($0)) })
        case .int64Array(let values): self = .array(values.map { .int($0) })
        case .double(let value): self = .double(value)
        case .doubleArray(let values): self = .array(values.map { .double($0) })
        case .bool(let value): self = .bool(value)
        case .boolArray(let values): self = .array(values.map { .bool($0) })
        case .string(let value): self = .string(value)
        case .stringArray(let values): self = .array(values.map { .string($0) })
        case .stringConvertible(let value): self = .string("\(value)")
        case .stringConvertibleArray(let values): self = .array(values.map { .string("\($0)") })
        default: self = .string("\(attribute)")
        }
    }
}

extension ExportDocument {
    static func pairs(_ attributes: SpanAttributes) -> [KeyValue] {
        var pairs: [KeyValue] = []
        attributes.forEach { pairs.append(KeyValue($0, AnyValue($1))) }
        return pairs.sorted { $0.key < $1.key }
    }
}
