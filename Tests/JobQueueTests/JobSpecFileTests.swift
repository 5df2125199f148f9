import Foundation
import JobQueue
import Testing

@Suite("Jobspec files")
struct JobSpecFileTests {
    static let head = "kind: noop\nversion: 1\nsummary: Does nothing.\n"

    @Test("every field is read")
    func full() throws {
        let text = """
            # A sample.
            kind: poll-sqs
            version: 3
            summary: Reads the interruption queue & the rest.
            queue: interruptions
            lane: interruption
            schedule:
              cron: "*/5 2 * * mon-fri"
              zone: Europe/Berlin
              missed: all
              missed_max: 4
              overlap: cancel-old
            fan_out: queue
            parameters:
              batch: {type: integer, default: 10, summary: Messages at once.}
              name: {type: string, required: true}
              labels: {type: object, default: {a: [1, 2.5, "3", true, null, x]}}
              note: {type: string, default: 10}
            timeout: 10m
            start_before: 24h
            retries: {max_attempts: 7, first: 500ms, factor: 2, max: 5m, jitter: 0.5}
            limit: {key: "poll/${target}", max: 2}
            rate: {key: "sqs/${tenant}", per_second: 0.5, burst: 3}
            key: {template: "poll/${target}/${parameters.name}", release: 7d}
            mode_max: observe
            external: true
            history: 14d
            """
        let file = try JobSpecFile.parse(text, file: "poll-sqs.yaml")
        let spec = JobSpec(
            kind: "poll-sqs", version: 3, summary: "Reads the interruption queue & the rest.", queue: "interruptions",
            lane: .interruption,
            schedule: Schedule(
                .cron(try CronExpression("*/5 2 * * mon-fri"), zone: "Europe/Berlin"), missed: .all, missedMax: 4,
                overlap: .cancelOld),
            fanOut: .queue,
            parameters: [
                "batch": .init(type: .integer, defaultValue: JSONText(text: "10"), summary: "Messages at once."),
                "name": .init(type: .string, required: true),
                "labels": .init(type: .object, defaultValue: JSONText(text: #"{"a":[1,2.5,"3",true,null,"x"]}"#)),
                "note": .init(type: .string, defaultValue: JSONText(text: #""10""#)),
            ],
            timeoutSeconds: 600, startBeforeSeconds: 86_400,
            retries: RetryPolicy(attemptsMax: 7, firstSeconds: 0.5, factor: 2, maxSeconds: 300, jitter: 0.5),
            limit: .init(key: "poll/${target}", max: 2), rate: .init(key: "sqs/${tenant}", perSecond: 0.5, burst: 3),
            key: .init(template: "poll/${target}/${parameters.name}", releaseSeconds: 604_800), modeMax: "observe",
            external: true,
            historyDays: 14)
        #expect(file.spec == spec)
        #expect(file.variables.isEmpty)
    }

    @Test("three fields are enough")
    func small() throws {
        let spec = try JobSpecFile.parse(Self.head, file: "noop.yaml").spec
        #expect(spec == JobSpec(kind: "noop", version: 1, summary: "Does nothing."))
    }

    @Test("variables are filled in from the environment, once, with defaults")
    func variables() throws {
        let text =
            Self.head + """
                schedule: {every: "${POLL_SECONDS:-5}s"}
                timeout: ${TIMEOUT:-2m}
                limit: {key: "l/${ZONE:-eu}/${target}", max: "${MOST:-3}"}
                external: ${OPEN:-false}
                """
        let plain = try JobSpecFile.parse(text, file: "noop.yaml", environment: ["OPEN": ""])
        #expect(plain.spec.schedule == Schedule(.every(seconds: 5)))
        #expect(plain.spec.timeoutSeconds == 120)
        #expect(plain.spec.limit == .init(key: "l/eu/${target}", max: 3))
        #expect(!plain.spec.external)
        #expect(plain.variables.map(\.name).sorted() == ["MOST", "OPEN", "POLL_SECONDS", "TIMEOUT", "ZONE"])
        #expect(
            plain.variables.first { $0.name == "POLL_SECONDS" }
                == .init(name: "POLL_SECONDS", defaultValue: "5", field: "schedule.every", line: 4))
        let set = try JobSpecFile.parse(
            text, file: "noop.yaml",
            environment: ["POLL_SECONDS": "30", "MOST": "9", "OPEN": "true", "ZONE": "us", "TIMEOUT": "1h"])
        #expect(set.spec.schedule == Schedule(.every(seconds: 30)))
        #expect(set.spec.limit == .init(key: "l/us/${target}", max: 9))
        #expect(set.spec.external && set.spec.timeoutSeconds == 3600)
    }

    static let wrong: [(String, String)] = [
        (
            "schedulle: {every: 5s}",
            "noop.yaml:4: schedulle: found an unknown field, wanted one of kind, version, summary, queue, lane, schedule, fan_out, parameters, timeout, start_before, retries, limit, rate, key, mode_max, external, history; did you mean 'schedule'?"
        ),
        (
            "schedule:\n  evry: 5s",
            "noop.yaml:4: schedule: found nothing, wanted 'every' or 'cron'\nnoop.yaml:5: schedule.evry: found an unknown field, wanted one of every, cron, zone, missed, missed_max, overlap; did you mean 'every'?"
        ),
        (
            "schedule:\n  every: 5",
            "noop.yaml:5: schedule.every: found '5', wanted a duration with its unit, such as 5s, 10m, 24h or 7d, from 1 s to 366 d"
        ),
        (
            "schedule: {every: 0s}",
            "noop.yaml:4: schedule.every: found '0s', wanted a duration with its unit, such as 5s, 10m, 24h or 7d, from 1 s to 366 d"
        ),
        (
            "schedule: {every: 5s, cron: '0 4 * * *'}",
            "noop.yaml:4: schedule: found 'every' and 'cron', wanted one of them"
        ),
        (
            "schedule: {every: 5s, zone: UTC}",
            "noop.yaml:4: schedule.zone: found a zone without cron, wanted no zone: 'every' counts from 1970"
        ),
        (
            "schedule:\n  cron: '0 25 * * *'",
            "noop.yaml:5: schedule.cron: found '0 25 * * *', wanted a cron expression of five fields (cron hour '25' in '25': wanted 0 to 23)"
        ),
        (
            "schedule:\n  cron: '0 0 31 2 *'",
            "noop.yaml:5: schedule.cron: found '0 0 31 2 *', wanted a cron expression of five fields that matches some day"
        ),
        (
            "schedule:\n  cron: '0 4 * * *'\n  zone: Europe/Berln",
            "noop.yaml:6: schedule.zone: found 'Europe/Berln', wanted an IANA time zone such as Europe/Berlin, or UTC; did you mean 'Europe/Berlin'?"
        ),
        (
            "schedule: {every: 5s, missed_max: 3}",
            "noop.yaml:4: schedule.missed_max: found a bound with 'missed: latest', wanted 'missed: all', or no missed_max"
        ),
        (
            "schedule: {every: 5s, missed: all}",
            "noop.yaml:4: schedule.missed_max: found nothing, wanted a bound for 'missed: all'"
        ),
        (
            "schedule: {every: 5s, overlap: cancel}",
            "noop.yaml:4: schedule.overlap: found 'cancel', wanted one of skip, queue, cancel-old"
        ),
        ("schedule: often", "noop.yaml:4: schedule: found 'often', wanted a group of fields"),
        ("schedule: [5s]", "noop.yaml:4: schedule: found a list, wanted a group of fields"),
        (
            "fan_out: cluster",
            "noop.yaml:4: fan_out: found 'cluster' without a schedule, wanted a schedule, or no fan_out"
        ),
        (
            "lane: wrok",
            "noop.yaml:4: lane: found 'wrok', wanted one of interruption (0), safety (1), work (2), data (3); did you mean 'work'?"
        ),
        (
            "queue: Default",
            "noop.yaml:4: queue: found 'Default', wanted lower-case letters, digits and '-', a letter first, at most 63"
        ),
        (
            "timeout: 2 minutes",
            "noop.yaml:4: timeout: found '2 minutes', wanted a duration with its unit, such as 5s, 10m, 24h or 7d, from 1 s to 7 d"
        ),
        (
            "timeout: 500ms",
            "noop.yaml:4: timeout: found '500ms', wanted a duration with its unit, such as 5s, 10m, 24h or 7d, from 1 s to 7 d"
        ),
        (
            "timeout: 99999999999999999999d",
            "noop.yaml:4: timeout: found '99999999999999999999d', wanted a duration with its unit, such as 5s, 10m, 24h or 7d, from 1 s to 7 d"
        ),
        (
            "retries: {max_attempts: 0}",
            "noop.yaml:4: retries.max_attempts: found '0', wanted a whole number from 1 to 100"
        ),
        (
            "retries: {first: 10m, max: 1m}",
            "noop.yaml:4: retries.max: found less than 'first', wanted at least 'first'"
        ),
        ("retries: {jitter: 2}", "noop.yaml:4: retries.jitter: found '2', wanted a number from 0 to 1"),
        ("limit: {key: x}", "noop.yaml:4: limit.max: found nothing, wanted a whole number from 1 to 10000"),
        (
            "limit: {key: '${targt}', max: 1}",
            "noop.yaml:4: limit.key: found '${targt}', wanted text with ${target}, ${tenant} or ${parameters.<name>} (template '${targt}': unknown name '${targt}', wanted ${target}, ${tenant} or ${parameters.<name>})"
        ),
        (
            "key: {template: 'k/${parameters.nam}'}\nparameters:\n  name: {type: string, required: true}",
            "noop.yaml:4: key.template: found '${parameters.nam}', wanted a parameter of this spec; did you mean 'name'?"
        ),
        (
            "key: {template: 'k/${parameters.a}'}\nparameters: {a: {type: string}}",
            "noop.yaml:4: key.template: found '${parameters.a}', which may be absent, wanted a required parameter, or one with a default"
        ),
        (
            "key: {template: 'k/${parameters.a}'}\nparameters: {a: {type: object, required: true}}",
            "noop.yaml:4: key.template: found '${parameters.a}', an object, wanted a string, number or boolean"
        ),
        (
            "key: {template: k, release: never}",
            "noop.yaml:4: key.release: found 'never', wanted 'end' or a duration with its unit, such as 5s, 10m, 24h or 7d, from 1 s to 366 d"
        ),
        (
            "parameters:\n  Name: {type: string}",
            "noop.yaml:5: parameters: found the name 'Name', wanted lower-case letters, digits and '_', a letter first, at most 63"
        ),
        (
            "parameters:\n  a:\n    type: strin",
            "noop.yaml:6: parameters.a.type: found 'strin', wanted one of string, integer, number, boolean, array, object; did you mean 'string'?"
        ),
        (
            "parameters:\n  a: {type: integer, default: ten}",
            "noop.yaml:5: parameters.a.default: found 'ten', wanted an integer"
        ),
        (
            "parameters:\n  a: {type: array, default: {x: 1}}",
            "noop.yaml:5: parameters.a.default: found a group of fields, wanted an array"
        ),
        (
            "parameters:\n  a: {type: string, required: true, default: x}",
            "noop.yaml:5: parameters.a.default: found a default of a required parameter, wanted one of the two"
        ),
        ("mode_max: off", "noop.yaml:4: mode_max: found 'off', wanted one of observe, propose, apply"),
        ("external: yes", "noop.yaml:4: external: found 'yes', wanted true or false"),
        ("history: 36h", "noop.yaml:4: history: found 129600 s, wanted whole days, such as 30d"),
        (
            "timeout: ${TIMEOUT}",
            "noop.yaml:4: timeout: found '${TIMEOUT}', which is not set, wanted a value in the environment, or ${TIMEOUT:-default}"
        ),
        ("timeout: '${TIMEOUT:-5s'", "noop.yaml:4: timeout: found '${TIMEOUT:-5s', wanted a '}' that ends '${'"),
        ("timeout: 1m\ntimeout: 2m", "noop.yaml:4: timeout: found the field twice, wanted it once"),
        (
            "schedule:\n  cron: */5 * * * *",
            "noop.yaml:5: jobspec: found did not find expected alphabetic or numeric character while scanning an alias, wanted YAML; text that begins with '*' stands in quotes"
        ),
        (
            "queue: [",
            "noop.yaml:5: jobspec: found did not find expected node content while parsing a flow node, wanted YAML"
        ),
        (
            "queue: &x default",
            "noop.yaml:4: jobspec: found a YAML anchor or tag, wanted plain values: '&' and '!' stand in quotes here"
        ),
        (
            "queue: !!str default",
            "noop.yaml:4: jobspec: found a YAML anchor or tag, wanted plain values: '&' and '!' stand in quotes here"
        ),
    ]

    @Test("every mistake is told with file, line, field, what was found and what is wanted", arguments: wrong)
    func mistakes(_ lines: String, _ message: String) throws {
        let error = try #require(throws: QueueError.self) {
            try JobSpecFile.parse(Self.head + lines + "\n", file: "noop.yaml")
        }
        #expect(error.code == .invalid)
        #expect(error.message == message)
    }

    @Test("all mistakes of a file come together, in the order of lines")
    func together() throws {
        let (file, problems) = JobSpecFile.check("kind: Noop\nlane: 9\ntimeout: 5\n", file: "x.yaml")
        #expect(file == nil)
        #expect(
            problems.map { "\($0.line) \($0.field)" } == ["1 kind", "1 summary", "1 version", "2 lane", "3 timeout"])
    }

    @Test(
        "what is no jobspec at all is refused",
        arguments: ["", "# nothing", "[]", "just text", "{}", "---\na: 1\n---\nb: 2\n", "\u{0}"])
    func nothing(_ text: String) {
        #expect(throws: QueueError.self) { try JobSpecFile.parse(text, file: "x.yaml") }
    }

    @Test("files that grow without bound or bottom are refused quickly")
    func bombs() throws {
        var laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n"
        for (name, last) in zip("bcdefghi", "abcdefgh") {
            laughs += "\(name): &\(name) [" + Array(repeating: "*\(last)", count: 9).joined(separator: ",") + "]\n"
        }
        let documents = [
            laughs, String(repeating: "[", count: 200_000), String(repeating: "- ", count: 100_000),
            String(repeating: "{a: ", count: 60_000),
            Self.head + "parameters: {a: {type: object, default: " + String(repeating: "{a: ", count: 500)
                + String(repeating: "}", count: 502),
            Self.head + "queue: " + String(repeating: "x", count: 300_000),
        ]
        let clock = ContinuousClock()
        for document in documents {
            let spent = clock.measure {
                #expect(throws: QueueError.self) { try JobSpecFile.parse(document, file: "x.yaml") }
            }
            #expect(spent < .seconds(5))
        }
    }

    @Test("random edits of a spec never trap the reader")
    func fuzz() {
        let seed = UInt64(Date().timeIntervalSince1970 * 1000)
        var generator = SplitMix64(seed)
        let base = Array(
            (Self.head
                + "schedule: {cron: '*/5 2 * * *', zone: UTC}\nparameters:\n  a: {type: object, default: {x: [1, null]}}\nkey: {template: \"k/${target}/${X:-y}\"}\n")
                .utf8)
        let alphabet = Array("{}[]:-?,&*!#'\"|>%@`\n \t$aZ0~".utf8) + [0x00, 0xC3, 0xFF]
        for _ in 0..<2000 {
            var bytes = base
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes.remove(at: place)
                case 1: bytes.insert(alphabet.randomElement(using: &generator) ?? 0, at: place)
                default: bytes[place] = alphabet.randomElement(using: &generator) ?? 0
                }
            }
            let (file, problems) = JobSpecFile.check(String(decoding: bytes, as: UTF8.self), file: "x.yaml")
            #expect((file == nil) != problems.isEmpty, "seed \(seed)")
        }
    }

    @Test("a directory is read sorted; names and kinds must agree")
    func directory() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("jobspecs-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func write(_ name: String, _ text: String) throws {
            try Data(text.utf8).write(to: folder.appendingPathComponent(name))
        }
        try write("noop.yaml", Self.head)
        try write("again.yml", "kind: again\nversion: 2\nsummary: Again.\n")
        try write("README.md", "not a spec")
        #expect(try JobSpecFile.load(directory: folder.path).map(\.spec.kind) == ["again", "noop"])
        #expect(try JobSpecFile.load(folder.path + "/noop.yaml").spec.kind == "noop")
        try write("other.yaml", Self.head)
        let error = try #require(throws: QueueError.self) { try JobSpecFile.load(directory: folder.path) }
        #expect(
            error.message == """
                \(folder.path)/other.yaml:1: kind: found 'noop', wanted 'other', the file's name
                \(folder.path)/other.yaml:1: kind: found 'noop' again, wanted one file per kind, it is in \(folder.path)/noop.yaml
                """)
        try write("other.yaml", String(repeating: "#", count: 300_000))
        #expect(throws: QueueError.self) { try JobSpecFile.load(directory: folder.path) }
        #expect(throws: QueueError.self) { try JobSpecFile.load(folder.path + "/absent.yaml") }
        #expect(throws: QueueError.self) { try JobSpecFile.load(directory: folder.path + "/absent") }
    }

    @Test("the schema is stable JSON that knows every field")
    func schema() throws {
        #expect(JobSpecSchema.text == JobSpecSchema.text)
        struct Schema: Decodable {
            var properties: [String: Property]
            var required: [String]
            var additionalProperties: Bool
            struct Property: Decodable { var description: String }
        }
        let schema: Schema = try JSONText(text: JobSpecSchema.text).decode()
        #expect(
            Set(schema.properties.keys) == [
                "kind", "version", "summary", "queue", "lane", "schedule", "fan_out", "parameters", "timeout",
                "start_before", "retries",
                "limit", "rate", "key", "mode_max", "external", "history",
            ])
        #expect(schema.required == ["kind", "version", "summary"])
        #expect(!schema.additionalProperties)
        #expect(schema.properties.values.allSatisfy { $0.description.hasSuffix(".") })
    }

    @Test("the project's own jobspecs are right")
    func own() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let files = try JobSpecFile.load(directory: root.appendingPathComponent("jobspecs").path)
        #expect(files.contains { $0.spec.kind == "noop" })
    }
}
