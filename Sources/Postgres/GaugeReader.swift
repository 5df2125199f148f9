import JobQueue

/// A number that is read from the database now, for metrics.
public struct GaugeValue: Sendable, Equatable {
    /// The metric's name.
    public let name: String
    /// Its labels, in order.
    public let labels: [Label]
    /// Its value.
    public let value: Double

    /// One label.
    public struct Label: Sendable, Equatable {
        /// The label's name.
        public let name: String
        /// Its value.
        public let value: String
    }
}

extension StatusReader {
    /// Name, up to two labels, value.
    static let gaugesSQL = """
        SELECT 'queue_due', 'queue', queue, 'lane', lane::text, due::float8 FROM queue_depth
        UNION ALL SELECT 'queue_later', 'queue', queue, 'lane', lane::text, later::float8 FROM queue_depth
        UNION ALL SELECT 'queue_running', 'queue', queue, 'lane', lane::text, running::float8 FROM queue_depth
        UNION ALL SELECT 'queue_oldest_due_seconds', 'queue', queue, 'lane', lane::text, oldest_due_seconds FROM queue_depth
        UNION ALL SELECT 'needed_workers', NULL, NULL, NULL, NULL, needed_workers()::float8
        UNION ALL SELECT 'dead_jobs', 'kind', kind, NULL, NULL, count(*)::float8
                    FROM job_dead WHERE replayed_by IS NULL GROUP BY kind
        UNION ALL SELECT 'database_oldest_xmin_seconds', NULL, NULL, NULL, NULL, oldest_xmin_seconds FROM database_health
        UNION ALL SELECT 'history_days_ahead', NULL, NULL, NULL, NULL, history_days_ahead::float8 FROM database_health
        UNION ALL SELECT 'table_dead_rows', 'table', name, NULL, NULL, dead_rows::float8 FROM table_health
        UNION ALL SELECT 'table_bytes', 'table', name, NULL, NULL, bytes::float8 FROM table_health
        """

    /// Every gauge of the queue, and of further statements of the same form.
    public func gauges(also further: [String] = []) async throws -> [GaugeValue] {
        var values: [GaugeValue] = []
        for sql in [Self.gaugesSQL] + further {
            for row in try await reading(sql) {
                var labels: [GaugeValue.Label] = []
                for column in [1, 3] {
                    if let name = row.text(column) {
                        labels.append(GaugeValue.Label(name: name, value: row.text(column + 1) ?? ""))
                    }
                }
                values.append(GaugeValue(name: try row.string(0), labels: labels, value: try row.double(5)))
            }
        }
        return values
    }

    /// What an autoscaler asks: how many workers there is work for, in all and by queue.
    public func scale() async throws -> JSONText {
        let sql = """
            SELECT jsonb_build_object('needed_workers', needed_workers(),
                'due', coalesce(sum(due), 0), 'running', coalesce(sum(running), 0),
                'backlog_seconds', coalesce(max(backlog_seconds), 0),
                'queues', coalesce(jsonb_agg(to_jsonb(s) ORDER BY s.queue), '[]')) FROM scale_signal s
            """
        guard let row = try await reading(sql).first else {
            throw QueueError(.unavailable, "the database gave no answer")
        }
        return try row.json(0)
    }
}
