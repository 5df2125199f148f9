import JobQueue

/// How a scheduler process behaves.
public struct SchedulerConfiguration: Sendable {
    /// How long a lead lasts without renewal.
    public var leadLease = Duration.seconds(10)
    /// How often it renews the lead, or asks for it.
    public var leadEvery = Duration.seconds(3)
    /// How often it hands out ids.
    public var feedEvery = Duration.milliseconds(250)
    /// How often it hands out ids while the workers take them as fast as it does.
    public var feedEveryWhenBehind = Duration.milliseconds(10)
    /// Every so often a look starts at the head of every list again: ids that were popped and lost are seen then.
    public var fullLookEvery = Duration.seconds(3)
    /// How often those that waited too long are handed out a lane higher.
    public var liftEvery = Duration.seconds(1)
    /// Ids kept in a list at most: about four times the fleet's slots.
    public var listMax = 1000
    /// How often lost runs are taken back.
    public var reapEvery = Duration.seconds(1)
    /// Rows taken back in one transaction.
    public var reapMax = 1000
    /// The workers' lease: after a gap of the ledger every lease is extended by it.
    public var workerLease = Duration.seconds(12)
    /// The longest sleep between two looks at the timetable.
    public var tickMax = Duration.seconds(1)
    /// Slots fired in one transaction.
    public var ticksMax = 500
    /// How often what has expired is removed.
    public var sweepEvery = Duration.seconds(60)
    /// When it has expired.
    public var retention = Retention()

    /// The defaults.
    public init() {}
}
