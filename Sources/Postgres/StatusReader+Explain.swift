import Foundation
import JobQueue

/// The life of a job, and why it is not running now.
public struct Explanation: Sendable, Codable {
    /// One thing that holds it back.
    public struct Reason: Sendable, Codable, Equatable {
        /// A stable word: `paused`, `not-due`, `limit-full`, `rate`, `no-worker`, `workers-busy`, `suspect`, `circuit-open`,
        /// `no-leader`, `late`; programs add their own.
        public var code: String
        /// A sentence that ends "it does not run now because …".
        public var text: String

        /// Makes a reason.
        public init(code: String, text: String) {
            self.code = code
            self.text = text
        }
    }

    /// The job.
    public var id: String
    /// As `job_status` names it.
    public var state: String
    /// Its life, a sentence each.
    public var story: [String]
    /// What holds it back; empty for a job that runs, has ended, or is next in its line.
    public var reasons: [Reason]

    /// Everything, a line each.
    public var lines: [String] { story + reasons.map { "it does not run now because \($0.text)" } }
}

extension StatusReader {
    /// Times as people read them: PostgreSQL's `2026-11-23 20:46:53.020475+00`, in a sentence or alone, becomes
    /// `2026-11-23T20:46:53Z`.
    public static func readableTimes(in text: String) -> String {
        text.replacing(/([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?\+00(:00)?/) {
            "\($0.1)T\($0.2)Z"
        }
    }

    /// Explains a job, from one snapshot.
    /// - Parameter more: further statements of code and sentence about the queued job `j`, for what the program above knows.
    /// - Throws: `notFound`.
    public func explain(_ id: JobID, also more: [String] = []) async throws -> Explanation {
        guard let row = try await connection.query(ExplainStatements.explain(more), [.uuid(id)]).first,
            let document = try row.jsonIfPresent(0)
        else { throw QueueError(.notFound, "no job \(id)") }
        let job = Fields(try document.decode([String: JSONValue].self))
        var story = [
            "\(job["kind"]) \(id)\(job["target"].isEmpty ? "" : " about " + job["target"]): \(job["state"])",
            "enqueued at \(job["created_at"]), queue \(job["queue"]), lane \(job["lane"])"
                + (job["replay_of"].isEmpty ? "" : ", to run \(job["replay_of"]) again"),
        ]
        for attempt in job.list("attempts") {
            let error = attempt["error"]
            story.append(
                "run \(attempt["fence"]) began at \(attempt["started_at"]) and ended by \(attempt["how"])"
                    + (error.isEmpty ? "" : " \(error)"))
        }
        // Runs that ended well, or with the wish for another, leave no attempt of their own.
        if !["", "0"].contains(job["snoozes"]) {
            story.append("\(job["snoozes"]) runs ended with the wish to run again later")
        }
        if job["state"] == "done", !job["claimed_at"].isEmpty {
            story.append(
                "run \(job["fence"]) began at \(job["claimed_at"]) on worker \(job["worker_id"]), attempt \(job["attempt"]), and ended well"
            )
        }
        for effect in job.list("effects") {
            story.append("effect \(effect["key"]) (\(effect["class"])): \(effect["state"])")
        }
        switch job["state"] {
        case "running", "cancelling": story += running(job)
        case "done", "cancelled", "dead":
            story.append("ended at \(job["finished_at"])\(job["reason"].isEmpty ? "" : ": " + job["reason"])")
            if !job["result"].isEmpty { story.append("result: \(job["result"].prefix(300))") }
            if !job["replayed_by"].isEmpty { story.append("job \(job["replayed_by"]) runs it again") }
        default: break
        }
        let reasons: [Explanation.Reason] = job.list("reasons").map { .init(code: $0["code"], text: $0["text"]) }
        if reasons.isEmpty, !["running", "cancelling", "done", "cancelled", "dead"].contains(job["state"]) {
            let ahead = job["ahead"]
            story.append("it is due; \(ahead)\(ahead == "10000" ? " or more" : "") jobs of its queue come before it")
        }
        return Explanation(id: id.description, state: job["state"], story: story, reasons: reasons)
    }

    private func running(_ job: Fields) -> [String] {
        var lines = [
            "runs since \(job["claimed_at"]) on worker \(job["worker_id"]), attempt \(job["attempt"]), until \(job["deadline_at"]) at most"
        ]
        if let worker = job.object("worker") {
            switch worker["state"] {
            case "gone": lines.append("its worker on \(worker["host"]) is gone: the job is taken back within seconds")
            case "draining":
                lines.append("its worker on \(worker["host"]) drains: it is handed back at its next checkpoint")
            default:
                lines.append(
                    "its worker is on \(worker["host"]), its lease ends at \(worker["expires_at"]) unless it renews it")
            }
        }
        if let pace = job.object("pace"), !pace["done"].isEmpty {
            let total = pace["total"].isEmpty ? "" : " of \(pace["total"])"
            let eta = Double(pace["eta_seconds"]).map { ", \(Int($0.rounded(.up))) s to go at this pace" } ?? ""
            lines.append("progress: \(pace["done"])\(total)\(pace["note"].isEmpty ? "" : " (\(pace["note"]))")\(eta)")
        }
        if !job["cancel_at"].isEmpty {
            lines.append(
                "\(job["cancelled_by"]) asked it to stop at \(job["cancel_at"]); its worker has not confirmed yet")
        }
        return lines
    }

    /// A JSON object whose fields are read as text; what is absent is empty.
    private struct Fields {
        let values: [String: JSONValue]

        init(_ values: [String: JSONValue]) { self.values = values }

        subscript(name: String) -> String {
            switch values[name] {
            case nil, .null?: ""
            case .string(let text)?: StatusReader.readableTimes(in: text)
            case let value?: value.canonical
            }
        }

        func object(_ name: String) -> Fields? {
            if case .object(let fields)? = values[name] { Fields(fields) } else { nil }
        }

        func list(_ name: String) -> [Fields] {
            guard case .array(let items)? = values[name] else { return [] }
            return items.compactMap { if case .object(let fields) = $0 { Fields(fields) } else { nil } }
        }
    }
}
