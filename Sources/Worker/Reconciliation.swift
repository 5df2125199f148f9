import JobQueue

/// Compares what the ledger says a worker runs with what it has in hand. Pure.
struct Reconciliation {
    /// Runs in hand that the ledger gave to somebody else: stop them, write nothing.
    let lost: [ActiveRun]
    /// Runs in hand that somebody wants cancelled.
    let cancelled: [ActiveRun]
    /// Claims that nobody runs, seen the second time: their answer was lost.
    let handBack: [RunID]
    /// Claims that nobody runs, seen the first time: an answer may be on its way.
    let orphans: Set<RunID>

    /// - Parameters:
    ///   - held: the ledger's list, read at some moment after `known` and before `inHand` were.
    ///   - known: in hand before the ledger was asked: only these can be missed there.
    ///   - inHand: in hand after the ledger answered: only what is absent here can be an orphan.
    init(held: [Renewal.Held], known: [ActiveRun], inHand: [ActiveRun], worker: WorkerID, orphansBefore: Set<RunID>) {
        let ledger = Set(held.map { RunID(job: $0.job, fence: $0.fence, worker: worker) })
        let asked = Set(held.filter(\.isCancelAsked).map { RunID(job: $0.job, fence: $0.fence, worker: worker) })
        let here = Set(inHand.map(\.id)).union(known.map(\.id))
        lost = known.filter { !ledger.contains($0.id) && !$0.isSettling }
        cancelled = inHand.filter { asked.contains($0.id) }
        let absent = ledger.subtracting(here)
        handBack = absent.intersection(orphansBefore).sorted { $0.job < $1.job }
        orphans = absent.subtracting(handBack)
    }
}
