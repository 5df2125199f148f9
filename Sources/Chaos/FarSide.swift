import Foundation
import Glibc
import JobQueue
import Synchronization

/// The world outside: executes effects and writes each execution into its own append-only log.
///
/// `POST /keyed` honours `Idempotency-Key`: a repeat answers the first result and is logged as a repeat. `POST /plain`
/// executes whatever comes. Both answer late, with 503 before executing, or not at all after executing, at random.
/// A slow far side executes at once and is long about its answer: whoever dies meanwhile never sees it.
final class FarSide: Sendable {
    private struct State {
        var answers: [String: String] = [:]
        var executions = 0
        var generator: SeededGenerator
    }

    private enum Mood { case well, refuse, dropAnswer }

    /// How it behaves.
    enum Temper: String, Sendable { case well, faulty, slow }

    /// Shorter than the caller waits.
    private static let slowAnswer: UInt32 = 2_000_000

    private let port: UInt16
    private let temper: Temper
    private let log: FileHandle
    private let state: Mutex<State>

    /// - Parameter arguments: port, log file, seed, temper.
    init(arguments: [String]) throws {
        guard arguments.count == 4, let port = UInt16(arguments[0]), let seed = UInt64(arguments[2]),
            let temper = Temper(rawValue: arguments[3])
        else {
            throw QueueError(.invalid, "farside: wanted <port> <log file> <seed> well|faulty|slow")
        }
        self.port = port
        self.temper = temper
        guard FileManager.default.createFile(atPath: arguments[1], contents: nil),
            let log = FileHandle(forWritingAtPath: arguments[1])
        else { throw QueueError(.invalid, "\(arguments[1]) cannot be written") }
        self.log = log
        state = Mutex(State(generator: SeededGenerator(seed: seed)))
    }

    func serve() throws {
        endWithConductor()
        let listener = try TCP.listen(port: port)
        tell("ready")
        while let client = TCP.accept(listener) { Thread { self.converse(client) }.start() }
    }

    private func converse(_ client: Int32) {
        defer { close(client) }
        var buffer: [UInt8] = []
        while true {
            while true {
                if let request = FarRequest(taking: &buffer) {
                    guard let answer = handle(request), TCP.write(answer, to: client) else { return }
                    continue
                }
                break
            }
            guard let more = TCP.read(client) else { return }
            buffer += more
        }
    }

    /// The answer's bytes; nil: it is lost.
    private func handle(_ request: FarRequest) -> [UInt8]? {
        let (mood, delay) = mood()
        usleep(delay)
        if mood == .refuse { return answer(503, "busy") }
        let (text, isRepeat) = execute(request)
        if temper == .slow { usleep(Self.slowAnswer) }
        if mood == .dropAnswer {
            note("lost", request)
            return nil
        }
        return answer(200, #"{"execution":"\#(text)","repeat":\#(isRepeat)}"#)
    }

    /// Executes once per token on `/keyed` and every time on `/plain`; the log line is written before any answer.
    private func execute(_ request: FarRequest) -> (String, Bool) {
        state.withLock { state in
            if request.path == "/keyed", let first = state.answers[request.token] {
                note("repeat", request)
                return (first, true)
            }
            state.executions += 1
            let name = "x\(state.executions)"
            if request.path == "/keyed" { state.answers[request.token] = name }
            note("executed", request)
            return (name, false)
        }
    }

    private func note(_ what: String, _ request: FarRequest) {
        let line = "\(what)\t\(request.path)\t\(request.key)\t\(request.token)\t\(Date().timeIntervalSince1970)\n"
        do {
            try log.write(contentsOf: Data(line.utf8))
        } catch {
            tell("the far log cannot be written: \(error)")
            _exit(70)  // a check against half a log proves nothing
        }
    }

    private func mood() -> (Mood, UInt32) {
        state.withLock { state in
            guard temper == .faulty else { return (.well, 2000) }
            let delay: UInt32
            switch Int.random(in: 0..<100, using: &state.generator) {
            case 0..<2: delay = 4_000_000  // longer than the caller waits
            case 2..<15: delay = UInt32.random(in: 100_000..<1_500_000, using: &state.generator)
            default: delay = UInt32.random(in: 1000..<20_000, using: &state.generator)
            }
            switch Int.random(in: 0..<100, using: &state.generator) {
            case 0..<3: return (.refuse, delay)
            case 3..<6: return (.dropAnswer, delay)
            default: return (.well, delay)
            }
        }
    }

    private func answer(_ status: Int, _ body: String) -> [UInt8] {
        Array(
            "HTTP/1.1 \(status) -\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                .utf8)
    }
}

/// A request as the far side reads it.
struct FarRequest {
    let path: String
    let token: String
    let key: String

    /// Takes one whole request off the front of the buffer; nil: it is not all there yet.
    init?(taking buffer: inout [UInt8]) {
        guard let end = buffer.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: buffer[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            if parts.count == 2 { headers[parts[0].lowercased()] = parts[1] }
        }
        let length = headers["content-length"].flatMap(Int.init) ?? 0
        guard buffer.count >= end.upperBound + length else { return nil }
        let words = (lines.first ?? "").split(separator: " ")
        path = words.count > 1 ? String(words[1]) : ""
        token = headers["idempotency-key"] ?? ""
        key = headers["x-business-key"] ?? ""
        buffer.removeFirst(end.upperBound + length)
    }
}
