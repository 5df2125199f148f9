import Testing

@testable import OpenTelemetry

@Suite("Trace context")
struct TraceContextTests {
    static let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    @Test("the standard's example is read and written again")
    func roundTrip() throws {
        let context = try #require(TraceContext(traceparent: Self.text))
        #expect(context.traceID.description == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect(context.spanText == "00f067aa0ba902b7")
        #expect(context.isSampled)
        #expect(context.traceparent == Self.text)
        #expect(TraceContext(traceparent: Self.text.dropLast(2) + "00")?.isSampled == false)
    }

    @Test("a later version is read by the fields that are known")
    func laterVersion() {
        #expect(
            TraceContext(traceparent: "01" + Self.text.dropFirst(2) + "-what-is-to-come")?.spanID
                == 0x00f0_67aa_0ba9_02b7)
    }

    @Test(
        "what is not of the form is no context",
        arguments: [
            "", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", String(text.dropFirst()),
            text.uppercased(), text + "-more", "ff" + text.dropFirst(2), "0g" + text.dropFirst(2),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", text.replacing("-", with: "_"),
            text + "\r\nX-Evil: 1", "01" + text.dropFirst(2) + "x", String(repeating: "é", count: 30),
        ])
    func refused(_ text: String) { #expect(TraceContext(traceparent: text) == nil) }

    @Test("a ratio records that share of traces, the same ones in every process, whole traces only")
    func ratio() throws {
        let sampler = try #require(TraceSampler(name: "parentbased_traceidratio", argument: "0.25"))
        let traces = (0..<8000).map { _ in TraceID(high: 1, low: .random(in: 1...UInt64.max)) }
        let chosen = traces.filter { sampler.samples($0, parent: nil) }
        #expect((1600...2400).contains(chosen.count))
        #expect(chosen.allSatisfy { TraceSampler.ratio(0.25).samples($0, parent: nil) })
        for isSampled in [true, false] {
            let parent = TraceContext(traceID: traces[0], spanID: 1, isSampled: isSampled)
            #expect(sampler.samples(traces[0], parent: parent) == isSampled)
        }
        #expect(traces.allSatisfy { TraceSampler.ratio(1).samples($0, parent: nil) })
        #expect(!traces.contains { TraceSampler.ratio(0).samples($0, parent: nil) })
    }

    @Test("every name of the specification is known, and nothing else")
    func names() {
        #expect(TraceSampler.names.allSatisfy { TraceSampler(name: $0, argument: "0.5") != nil })
        #expect(TraceSampler(name: "sometimes", argument: nil) == nil)
        #expect(TraceSampler(name: "traceidratio", argument: "2") == nil)
        #expect(TraceSampler(name: "traceidratio", argument: "half") == nil)
    }
}
