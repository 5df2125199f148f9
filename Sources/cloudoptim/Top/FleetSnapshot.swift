import JobQueue

/// What `StatusReader.snapshot` answers, as the screen needs it. Names are those of the views.
struct FleetSnapshot: Decodable {
    struct Leader: Decodable {
        var is_live: Bool
        var term: Int
    }

    struct Queue: Decodable {
        var queue: String
        var lane: Int
        var due: Int
        var later: Int
        var running: Int
        var oldest_due_seconds: Double
        var paused: String?
    }

    struct Worker: Decodable {
        var id: String
        var host: String
        var version: String
        var state: String
        var slots: Int
        var running: Int
        var lease_seconds: Double
    }

    struct Running: Decodable {
        var id: String
        var kind: String
        var target: String
        var lane: Int
        var host: String?
        var attempt: Int
        var running_seconds: Double
        var cancel_at: String?
        var done: Int?
        var total: Int?
        var note: String?
        var eta_seconds: Double?
    }

    struct Failure: Decodable {
        var job_id: String
        var kind: String?
        var target: String?
        var state: String?
        var how: String
        var message: String?
        var ago_seconds: Double
    }

    struct Schedule: Decodable {
        var id: String
        var in_seconds: Double
        var late_seconds: Double
        var paused_by: String?
    }

    struct Pause: Decodable {
        var scope: String
        var name: String
        var by: String
        var reason: String
        var until: String?
    }

    struct Circuit: Decodable {
        var side: String
        var target: String
        var failures: Int
    }

    struct Totals: Decodable {
        var due: Int
        var later: Int
        var running: Int
        var dead: Int
        var slots: Int
        var live_workers: Int
    }

    var at: String
    var leader: Leader?
    var queues: [Queue]
    var workers: [Worker]
    var running: [Running]
    var failures: [Failure]
    var schedules: [Schedule]
    var pauses: [Pause]
    var circuits: [Circuit]
    var totals: Totals
    /// What launches of cheaper capacity are projected to save per hour, in dollars.
    var dollars_per_hour: Double?
}
