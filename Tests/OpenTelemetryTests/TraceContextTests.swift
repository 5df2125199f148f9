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

    @Test(
        "a list of entries is read, and written without blanks",
        arguments: [
            ("rojo=00f067aa0ba902b7", nil), ("rojo=1,congo=2", nil), ("rojo=1 ,\tcongo=2", "rojo=1,congo=2"),
            ("rojo=1,,congo=2,", "rojo=1,congo=2"), ("fw529a3039@dt=FfIhbUFmZ/8d*", nil), ("0a_-*/=x", nil),
            ("a= b", nil), ("a=1,a=2,b=3", "a=1,b=3"),
        ] as [(String, String?)])
    func state(_ header: String, _ written: String?) {
        #expect(TraceState(header)?.text == written ?? header)
    }

    @Test(
        "what is not of the form is no list, and the trace goes on without it",
        arguments: [
            "", " , ", "a", "=1", "a=", "A=1", "a=1=2", "a b=1", "a@=1", "@a=1", "a@b@c=1", "é=1", "a=é", "_a=1",
            "a=1\r\nX-Evil: 1", "a=\u{7f}", String(repeating: "k", count: 257) + "=1",
            "a=" + String(repeating: "v", count: 257), (0...32).map { "k\($0)=v" }.joined(separator: ","),
        ])
    func noState(_ header: String) throws {
        #expect(TraceState(header) == nil)
        let context = try #require(TraceContext(traceparent: Self.text, tracestate: header))
        #expect(context.state == nil)
    }

    @Test("over 512 bytes whole entries are left out: first long ones, then from the end")
    func longState() throws {
        let long = "long=" + String(repeating: "v", count: 200)
        let short = (1...10).map { "k\($0)=" + String(repeating: "v", count: 40) }
        let kept = try #require(TraceState(([short[0], long] + short.dropFirst()).joined(separator: ",")))
        #expect(kept.text == short.joined(separator: ","))
        let many = (1...20).map { "k\($0)=" + String(repeating: "v", count: 40) }
        let first = try #require(TraceState(many.joined(separator: ",")))
        #expect(first.text.utf8.count <= TraceState.bytesMax)
        #expect(many.joined(separator: ",").hasPrefix(first.text + ","))
        #expect(TraceState(String(repeating: long + ",", count: 200)) == nil, "not even read")
    }

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
