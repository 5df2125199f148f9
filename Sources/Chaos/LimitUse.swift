/// How often a limit was full when work waited for it.
struct LimitUse: Sendable {
    /// Looks in which a job had waited for it.
    var waiting = 0
    /// Of these, looks in which every slot was taken.
    var full = 0

    var fullShare: Double { waiting == 0 ? 1 : Double(full) / Double(waiting) }

    /// Fewer looks say nothing.
    static let looksMin = 30
    /// Faults leave slots empty for seconds at a time: workers are dead, the database is away. A slot that is lost is
    /// never filled at all.
    static let fullShareMin = 0.1
}
