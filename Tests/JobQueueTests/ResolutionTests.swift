import Foundation
import JobQueue
import Testing

@Suite("Requests against their specs")
struct ResolutionTests {
    static let spec = JobSpec(
        kind: "scale",
        parameters: [
            "name": .init(type: .string, required: true),
            "count": .init(type: .integer, defaultValue: JSONText(text: "2")),
            "ratio": .init(type: .number), "force": .init(type: .boolean), "tags": .init(type: .array),
            "options": .init(type: .object),
        ])

    @Test("parameters come back with defaults, sorted, whatever the writing")
    func canonical() throws {
        let one = try Self.spec.validate(
            parameters: JSONText(text: #"{ "options": {"b":1,"a":[1, 2.50,null]}, "name":"\u00e4\n\"x\"" }"#))
        let two = try Self.spec.validate(
            parameters: JSONText(
                text: "{\"name\":\"ä\\u000a\\\"x\\\"\",\n\"count\":2,\"options\":{\"a\":[1,2.50,null],\"b\":1}}"))
        #expect(one == two)
        #expect(one.text == #"{"count":2,"name":"ä\n\"x\"","options":{"a":[1,2.50,null],"b":1}}"#)
        #expect(try Self.spec.validate(parameters: one) == one)
    }

    @Test(
        "a wrong parameter is named with what was found and what is wanted",
        arguments: [
            (#"{}"#, "scale: parameter 'name' is missing, wanted a string"),
            (#"{"name":7}"#, "scale: parameter 'name': found 7, wanted a string"),
            (#"{"name":null}"#, "scale: parameter 'name': found null, wanted a string"),
            (#"{"name":"x","count":"2"}"#, #"scale: parameter 'count': found "2", wanted an integer"#),
            (#"{"name":"x","count":2.5}"#, "scale: parameter 'count': found 2.5, wanted an integer"),
            (
                #"{"name":"x","count":99999999999999999999}"#,
                "scale: parameter 'count': found 99999999999999999999, wanted an integer"
            ),
            (#"{"name":"x","force":1}"#, "scale: parameter 'force': found 1, wanted a boolean"),
            (#"{"name":"x","tags":{}}"#, "scale: parameter 'tags': found {}, wanted an array"),
            (#"{"name":"x","cuont":1}"#, "scale: parameter 'cuont' is unknown; did you mean 'count'?"),
            (
                #"{"name":"x","zzzzzzz":1}"#,
                "scale: parameter 'zzzzzzz' is unknown; it takes count, force, name, options, ratio, tags"
            ),
            (#"[1]"#, "scale: parameters: found an array, wanted an object"),
            (#"{"name":"x""#, "scale: parameters: not a JSON document: wanted ',' or '}' at byte 11"),
            (
                #"{"name":"x","name":"y"}"#,
                "scale: parameters: not a JSON document: the field 'name' comes twice at byte 22"
            ),
            (#"{"name":"a\u0000b"}"#, "scale: parameters: not a JSON document: U+0000 cannot be stored at byte 16"),
            (#"{"name":"\ud800"}"#, "scale: parameters: not a JSON document: half a surrogate pair at byte 15"),
            (
                #"{"name":"x","ratio":1e999}"#,
                "scale: parameters: not a JSON document: a number out of range at byte 25"
            ),
            (#"{"name":"x","ratio":01}"#, "scale: parameters: not a JSON document: wanted a value at byte 22"),
            (#"{"name":"x","ratio":+1}"#, "scale: parameters: not a JSON document: wanted a value at byte 20"),
            (#"{"name":"x"} x"#, "scale: parameters: not a JSON document: something follows the document at byte 13"),
        ])
    func wrong(_ text: String, _ message: String) throws {
        let error = try #require(throws: QueueError.self) { try Self.spec.validate(parameters: JSONText(text: text)) }
        #expect(error.code == .invalid)
        #expect(error.message == message)
    }

    @Test("documents without end or bottom are refused quickly")
    func hostile() throws {
        let deep = String(repeating: #"{"options":"#, count: 20_000) + "1" + String(repeating: "}", count: 20_000)
        let wide = #"{"name":""# + String(repeating: "x", count: 70_000) + #""}"#
        for (text, part) in [
            (deep, "nested deeper than 64"), (wide, "wanted at most 65536"),
            (String(repeating: "[", count: 1_000_000), "wanted at most 65536"),
        ] {
            let error = try #require(throws: QueueError.self) {
                try Self.spec.validate(parameters: JSONText(text: text))
            }
            #expect(error.message.contains(part), "\(error.message.prefix(200))")
        }
    }

    @Test("random bytes never trap the parser")
    func fuzz() throws {
        let seed = UInt64(Date().timeIntervalSince1970 * 1000)
        var generator = SplitMix64(seed)
        let alphabet = Array(#"{}[]":,0123456789.eE+-\untrfalse "#.utf8) + [0xC3, 0xA4, 0x00, 0xFF]
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...24, using: &generator)).map { _ in
                alphabet.randomElement(using: &generator) ?? 0
            }
            let text = #"{"options":"# + String(decoding: bytes, as: UTF8.self) + "}"
            guard let found = try? Self.spec.validate(parameters: JSONText(text: text)) else { continue }
            #expect(try Self.spec.validate(parameters: found) == found, "seed \(seed): \(text)")
        }
    }

    @Test("templates take target, tenant and parameters")
    func templates() throws {
        let spec = JobSpec(
            kind: "scale",
            parameters: [
                "n": .init(type: .integer, required: true),
                "on": .init(type: .boolean, defaultValue: JSONText(text: "true")),
            ],
            limit: .init(key: "l/${tenant}/${target}", max: 3), rate: .init(key: "static", perSecond: 2, burst: 4),
            key: .init(template: "k/${target}/${parameters.n}/${parameters.on}", releaseSeconds: 60))
        let job = NewJob(
            request: JobRequest("scale", parameters: JSONText(text: #"{"n":7}"#), target: "c1"), spec: spec)
        let resolved = try job.resolved(tenant: "acme")
        #expect(resolved.key == IdempotencyKey("k/c1/7/true", release: .after(.seconds(60))))
        #expect(resolved.limitKey == "l/acme/c1")
        #expect(resolved.limitMax == 3)
        #expect(resolved.rateKey == "static")
        #expect(resolved.rate == spec.rate)
        #expect(!resolved.isPushedAtOnce)
        #expect(try job.resolved().limitKey == "l/${tenant}/c1")
    }

    @Test(
        "a wrong template says what is not understood",
        arguments: [
            (
                "${nobody}",
                "template '${nobody}': unknown name '${nobody}', wanted ${target}, ${tenant} or ${parameters.<name>}"
            ),
            (
                "${parameters.}",
                "template '${parameters.}': unknown name '${parameters.}', wanted ${target}, ${tenant} or ${parameters.<name>}"
            ),
            ("a${target", "template 'a${target': '${' without '}'"),
        ])
    func wrongTemplate(_ text: String, _ message: String) throws {
        let error = try #require(throws: QueueError.self) { try Template(text) }
        #expect(error.message == message)
    }

    @Test("a template cannot be filled from what is absent, or is no plain value")
    func unfilled() throws {
        func message(_ template: String, _ parameters: String) throws -> String {
            let spec = JobSpec(
                kind: "scale", parameters: ["a": .init(type: .string), "b": .init(type: .array)],
                key: .init(template: template))
            let job = NewJob(request: JobRequest("scale", parameters: JSONText(text: parameters)), spec: spec)
            return try #require(throws: QueueError.self) { try job.resolved() }.message
        }
        #expect(
            try message("${parameters.a}", "{}")
                == "scale: key: template '${parameters.a}': the request has no parameter 'a'")
        #expect(
            try message("${parameters.b}", #"{"b":[]}"#)
                == "scale: key: template '${parameters.b}': parameter 'b' is an array, wanted a string, number or boolean"
        )
        #expect(
            try message("${parameters.a}", #"{"a":""}"#)
                == "scale: key: scale: key: found 0 bytes, wanted 1 to 512 without U+0000")
    }

    @Test("without a key a request gets one of its own, for an hour")
    func ownKey() throws {
        let job = NewJob(request: JobRequest("plain"), spec: JobSpec(kind: "plain"))
        #expect(try job.resolved().key == IdempotencyKey("req:\(job.id)", release: .after(.seconds(3600))))
        let keyed = NewJob(
            request: JobRequest("plain", key: IdempotencyKey("mine", release: .atEnd)),
            spec: JobSpec(kind: "plain", key: .init(template: "spec's")))
        #expect(try keyed.resolved().key == IdempotencyKey("mine", release: .atEnd))
    }

    @Test("the request's lane and start-before go before the spec's")
    func overrides() throws {
        let spec = JobSpec(
            kind: "plain", lane: .work, timeoutSeconds: 9, startBeforeSeconds: 60, retries: RetryPolicy(attemptsMax: 7))
        let plain = try NewJob(request: JobRequest("plain"), spec: spec).resolved()
        #expect(
            plain.lane == .work && plain.startBefore == .seconds(60) && plain.timeoutSeconds == 9
                && plain.attemptsMax == 7)
        #expect(plain.isPushedAtOnce && plain.delay == .zero)
        let own = try NewJob(
            request: JobRequest("plain", delay: .seconds(3), startBefore: .seconds(5), lane: .data), spec: spec
        ).resolved()
        #expect(own.lane == .data && own.startBefore == .seconds(5) && own.delay == .seconds(3))
    }

    @Test("a request of another kind, with a negative delay or an endless target is refused")
    func refused() throws {
        let spec = JobSpec(kind: "plain")
        for request in [
            JobRequest("other"), JobRequest("plain", delay: .seconds(-1)),
            JobRequest("plain", target: String(repeating: "x", count: 600)),
            JobRequest("plain", key: IdempotencyKey("", release: .atEnd)),
        ] {
            #expect(throws: QueueError.self) { try NewJob(request: request, spec: spec).resolved() }
        }
    }
}

@Suite("JSON text")
struct JSONTextTests {
    struct Sample: Codable, Equatable {
        var name: String
        var inner: Inner
        var text: JSONText
        struct Inner: Codable, Equatable { var count: Int }
    }

    @Test("a document inside a document stays a document")
    func nested() throws {
        let sample = Sample(
            name: "x", inner: .init(count: 1), text: JSONText(text: #"{"b":[1,2.5,"ä",null,true],"a":{}}"#))
        let json = try JSONText(encoding: sample)
        #expect(json.text == #"{"inner":{"count":1},"name":"x","text":{"a":{},"b":[1,2.5,"ä",null,true]}}"#)
        #expect(try json.decode(Sample.self).text.text == #"{"a":{},"b":[1,2.5,"ä",null,true]}"#)
        #expect(throws: QueueError.self) { try JSONText(encoding: JSONText(text: "{")) }
    }

    @Test(
        "a document that does not fit says where",
        arguments: [
            (#"{"name":"x","inner":{},"text":1}"#, "'inner.count' is missing"),
            (#"{"name":7,"inner":{"count":1},"text":1}"#, "'name' is not a String"),
            (#"{"name":"x","inner":{"count":null},"text":1}"#, "'inner.count'"),
            (#"{"name":"x","inner":{"count":1.5},"text":1}"#, "a number is not of the type"),
        ])
    func misfit(_ text: String, _ part: String) throws {
        let error = try #require(throws: QueueError.self) { try JSONText(text: text).decode(Sample.self) }
        #expect(error.code == .invalid)
        #expect(error.message.contains(part), "\(error.message)")
    }

    @Test("what is no JSON, or cannot be JSON, is invalid")
    func noJSON() throws {
        let error = try #require(throws: QueueError.self) {
            try JSONText(text: #"{"name": nonsense}"#).decode(Sample.self)
        }
        #expect(error.message == "not a JSON document: an unknown word at byte 9")
        #expect(throws: QueueError.self) { try JSONText(encoding: [Double.nan]) }
    }

    @Test("a spec and a request survive JSON")
    func codable() throws {
        let spec = ResolutionTests.spec
        #expect(try JSONText(encoding: spec).decode(JobSpec.self) == spec)
        let request = JobRequest(
            "scale", parameters: JSONText(text: #"{"name":"x"}"#),
            key: IdempotencyKey("k", release: .after(.seconds(5))), delay: .seconds(3))
        #expect(try JSONText(encoding: request).decode(JobRequest.self) == request)
    }
}
