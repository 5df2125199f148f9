/// The short cut of step 3: whoever enqueued pushes the ids at once when the list is short, so that an idle fleet
/// starts them within a millisecond. Failure costs only latency: the feeder finds the rows.
public struct PushShortCut: Sendable {
    private let broker: (any Broker)?
    private let listMax: Int

    /// - Parameters:
    ///   - broker: nil: nothing is pushed.
    ///   - listMax: no id is pushed to a list that is at least this long.
    public init(_ broker: (any Broker)?, listMax: Int = 1000) {
        self.broker = broker
        self.listMax = listMax
    }

    /// Pushes a job that goes on at once, with the next free slot.
    public func push(_ job: ClaimedJob, of spec: JobSpec) async {
        guard let broker, spec.isPushedAtOnce else { return }
        do {
            try await broker.push([job.id], to: ReadyList(queue: job.queue, lane: job.lane))
        } catch {
            // Losing the short cut costs latency only: the feeder finds the row.
        }
    }

    /// Pushes the ids of jobs that may run now; kinds with a limit or rate wait for the feeder, which knows.
    public func push(_ jobs: [NewJob]) async {
        guard let broker else { return }
        var lists: [ReadyList: [JobID]] = [:]
        for job in jobs where job.spec.isPushedAtOnce && (job.request.delay ?? .zero) == .zero {
            let list = ReadyList(
                queue: job.request.queue ?? job.spec.queue, lane: job.request.lane ?? job.spec.lane)
            lists[list, default: []].append(job.id)
        }
        if lists.isEmpty { return }
        let names = Array(lists.keys)
        do {
            let lengths = try await broker.lengths(of: names)
            for (name, length) in zip(names, lengths) where length < listMax {
                try await broker.push(Array((lists[name] ?? []).prefix(listMax - length)), to: name)
            }
        } catch {
            // Losing the short cut costs latency only: the feeder and the workers' own looks find the rows.
        }
    }
}
