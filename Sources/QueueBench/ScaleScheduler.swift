import Foundation
import Glibc
import JobQueue
import Logging
import Postgres
import Redis
import Scheduler
import ServiceLifecycle

/// The measured process: one scheduler. It waits until every schedule has fired once, then measures.
struct ScaleScheduler: Sendable {
    let configuration: PostgresConfiguration
    let redisURL: String?
    let prefix: String
    let logger: Logger

    func run(seconds: Int) async throws {
        let ledger = MeasuredLedger(try await PostgresLedger(configuration))
        let broker = try redisURL.map { RedisBroker(try RedisConfiguration(url: $0), prefix: prefix) }
        let scheduler = SchedulerProcess(ledger: ledger, broker: broker, logger: logger)
        let group = ServiceGroup(services: [scheduler], logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            let connection = try await PostgresConnection.connect(configuration, name: "pg-scale")
            // Every schedule's first slot is at once, so all are due together; then they spread over their periods.
            let began = ContinuousClock.now
            var left: Int64 = 1
            while left > 0 {
                left =
                    try await connection.query("SELECT count(*) FROM schedule WHERE last_slot = 'epoch'").first?.int(0)
                    ?? 0
                try await Task.sleep(for: .seconds(1))
            }
            // What is measured is the life after that: not before all that came late then is over.
            let limit = ContinuousClock.now + .seconds(300)
            repeat {
                left =
                    try await connection.query(
                        "SELECT count(*) FROM schedule WHERE next_slot < world_now() - interval '1 second'"
                    ).first?.int(0) ?? 0
                try await Task.sleep(for: .seconds(1))
            } while left > 0 && ContinuousClock.now < limit
            let settled = (ContinuousClock.now - began).seconds
            try await Task.sleep(for: .seconds(10))
            _ = ledger.takeLateness()
            let (start, cpu) = (ContinuousClock.now, Self.cpuSeconds)
            try await Task.sleep(for: .seconds(seconds))
            let took = (ContinuousClock.now - start).seconds
            let used = Self.cpuSeconds - cpu
            let late = ledger.takeLateness().sorted()
            func percentile(_ share: Double) -> Double {
                late.isEmpty ? 0 : late[min(late.count - 1, Int(Double(late.count) * share))] * 1000
            }
            let result = ScaleResult(
                clusters: 0, schedules: 0, first_slots_seconds: settled, seconds: took,
                ticks_per_second: Double(late.count) / took,
                late_p50_ms: percentile(0.5), late_p99_ms: percentile(0.99), late_max_ms: percentile(1),
                cpu_percent: 100 * used / took, resident_mb: try Self.residentMegabytes(), runs_per_second: 0,
                due_at_end: 0)
            print(try JSONText(encoding: result).text)
            await connection.close()
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    /// User and system time of this process.
    static var cpuSeconds: Double {
        var usage = rusage()
        unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    /// What `VmRSS` of proc(5) says.
    static func residentMegabytes() throws -> Double {
        let text = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
        return (line.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0) / 1024
    }
}
