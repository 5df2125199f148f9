/// What one metric is called and means.
struct MetricDescription: Sendable {
    enum Kind: String, Sendable { case counter, gauge, histogram }

    let name: String
    let kind: Kind
    /// The names of its labels. Their values come from our own lists of words, never from tenants, ids or paths.
    let labels: [String]
    let help: String

    init(_ name: String, _ kind: Kind, _ labels: [String] = [], _ help: String) {
        self.name = name
        self.kind = kind
        self.labels = labels
        self.help = help
    }
}

/// Every metric there is, whichever role has it: what `/metrics` explains, what dashboards and alerts may ask for.
/// Tests compare it with the sources, with docs/operations.md and with docker/monitoring.
enum MetricCatalogue {
    static let all: [MetricDescription] = jobs + scheduler + ledger + far + process

    static let jobs = [
        MetricDescription("job_runs_total", .counter, ["kind", "end"], "Runs that ended, by how they ended."),
        MetricDescription("job_run_seconds", .histogram, ["kind"], "How long runs took."),
        MetricDescription(
            "job_start_delay_seconds", .histogram, ["lane"], "How long jobs that were due waited for their claim."),
        MetricDescription("effects_total", .counter, ["class", "end"], "Effects, by class and how the call ended."),
        MetricDescription("lease_lost_total", .counter, [], "Leases lost, and results dropped because of it."),
        MetricDescription("worker_in_flight", .gauge, [], "Runs in this worker's hands."),
    ]

    static let scheduler = [
        MetricDescription("scheduler_leads", .gauge, [], "1 where this scheduler leads, else 0."),
        MetricDescription("schedule_slots_total", .counter, ["kind"], "Slots fired."),
        MetricDescription("schedule_late_seconds", .histogram, [], "How late slots were fired."),
        MetricDescription("workers_lost_total", .counter, [], "Workers whose lease ended without a word."),
        MetricDescription("jobs_reaped_total", .counter, [], "Runs taken back from dead workers or past deadlines."),
    ]

    /// Read from the database when a scheduler is asked for its metrics.
    static let ledger = [
        MetricDescription("queue_due", .gauge, ["queue", "lane"], "Jobs that are due."),
        MetricDescription("queue_later", .gauge, ["queue", "lane"], "Jobs that are due later."),
        MetricDescription("queue_running", .gauge, ["queue", "lane"], "Jobs that run."),
        MetricDescription("queue_oldest_due_seconds", .gauge, ["queue", "lane"], "How long the oldest due job waits."),
        MetricDescription("needed_workers", .gauge, [], "Workers that due and running jobs keep busy."),
        MetricDescription("dead_jobs", .gauge, ["kind"], "Dead letters that nobody has replayed."),
        MetricDescription("saving_dollars_per_hour", .gauge, [], "Projected saving of what runs now."),
        MetricDescription(
            "database_oldest_xmin_seconds", .gauge, [], "Age of the oldest transaction vacuum waits for."),
        MetricDescription("table_dead_rows", .gauge, ["table"], "Dead rows of the hot tables."),
        MetricDescription("table_bytes", .gauge, ["table"], "Size of the hot tables with their indexes."),
        MetricDescription("history_days_ahead", .gauge, [], "Days after today that have a partition of job_history."),
    ]

    static let far = [
        MetricDescription(
            "far_call_seconds", .histogram, ["side", "operation"], "Calls to AWS, Kubernetes, webhooks."),
        MetricDescription(
            "far_call_errors_total", .counter, ["side", "operation", "code"], "Those that were refused or failed."),
    ]

    static let process = [
        MetricDescription("spans_exported_total", .counter, [], "Spans that the collector took."),
        MetricDescription("spans_dropped_total", .counter, ["reason"], "Spans that were dropped."),
        MetricDescription("metrics_series_dropped", .gauge, [], "Series that found no room in this registry."),
    ]
}
