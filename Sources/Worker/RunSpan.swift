import JobQueue
import Tracing

extension SpanAttributes {
    /// What a run's span says: names of the OpenTelemetry semantic conventions for messaging where there are any.
    mutating func describe(_ run: ActiveRun, end: String) {
        let job = run.job
        self["messaging.system"] = "cloudoptim"
        self["messaging.destination.name"] = job.queue
        self["messaging.message.id"] = job.id.description
        self["cloudoptim.job.kind"] = job.kind.rawValue
        self["cloudoptim.job.attempt"] = job.attempt
        self["cloudoptim.job.fence"] = job.fence
        self["cloudoptim.job.lane"] = Int(job.lane.rawValue)
        self["cloudoptim.job.end"] = end
        self["cloudoptim.worker.id"] = run.id.worker.description
    }
}
