/// How requests are sized. Source of the numbers: domain-rules section 5 (KRR, VPA).
public struct RightsizingPolicy: Hashable, Sendable, Codable {
    /// The quantile of CPU use that a request covers, 0 to 1.
    public var cpuQuantile = 0.95
    /// The CPU request is that quantile times this.
    public var cpuMargin = 1.15
    /// The memory request is the largest use times this.
    public var memoryMargin = 1.15
    /// The least CPU request, thousandths of a CPU.
    public var cpuMin: MilliCPU = 10
    /// The least memory request, bytes.
    public var memoryMin = Bytes.mebibytes(100)
    /// A request that would change by less than this share stays, 0 to 1.
    public var changeMin = 0.10
    /// How much history is looked at.
    public var history = TimeSpan.days(7)
    /// Less history than this gives a provisional recommendation, which is never applied.
    public var historyMin = TimeSpan.hours(24)
    /// Fewer samples than this give a provisional recommendation, which is never applied.
    public var samplesMin = 100
    /// The least share of expected samples that a recommendation is applied from, 0 to 1.
    public var coverageMin = 0.8
    /// Namespaces in which recommendations may be applied; empty: all that are not protected.
    public var namespaces: [String] = []
    /// Workloads changed at a time.
    public var workloadsAtOnceMax = 1
    /// A workload that was changed is not changed again for so long.
    public var cooldown = TimeSpan.hours(24)
    /// A change is watched for so long, and rolled back when things get worse.
    public var watch = TimeSpan.minutes(30)
    /// Restarts within the watch that roll a change back.
    public var restartsMax = 1
    /// The rise of the throttled share within the watch that rolls a change back, 0 to 1.
    public var throttlingRiseMax = 0.10

    /// The defaults.
    public init() {}

    /// Reads a document; what it does not name has its default.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        try fields.read(.cpuQuantile, into: &cpuQuantile)
        try fields.read(.cpuMargin, into: &cpuMargin)
        try fields.read(.memoryMargin, into: &memoryMargin)
        try fields.read(.cpuMin, into: &cpuMin)
        try fields.read(.memoryMin, into: &memoryMin)
        try fields.read(.changeMin, into: &changeMin)
        try fields.read(.history, into: &history)
        try fields.read(.historyMin, into: &historyMin)
        try fields.read(.samplesMin, into: &samplesMin)
        try fields.read(.coverageMin, into: &coverageMin)
        try fields.read(.namespaces, into: &namespaces)
        try fields.read(.workloadsAtOnceMax, into: &workloadsAtOnceMax)
        try fields.read(.cooldown, into: &cooldown)
        try fields.read(.watch, into: &watch)
        try fields.read(.restartsMax, into: &restartsMax)
        try fields.read(.throttlingRiseMax, into: &throttlingRiseMax)
    }
}

/// When workloads sleep (domain-rules section 6). Never production, except for namespaces listed by name.
public struct OfficeHoursPolicy: Hashable, Sendable, Codable {
    /// When workloads are awake.
    public var hours = WeeklySchedule.officeHours
    /// Local days (`2026-12-24`) that are no working days.
    public var holidays: [LocalDay] = []
    /// Workloads are woken so much earlier.
    public var lead = TimeSpan.minutes(15)
    /// Namespaces that sleep; empty: all of a staging or development cluster, none of a production one.
    public var namespaces: [String] = []
    /// A workload is not put to sleep before it is this old.
    public var workloadAgeMin = TimeSpan.minutes(15)
    /// Whether the node groups of sleeping workloads shrink as well, by their owner's API.
    public var shrinksNodeGroups = false
    /// Nodes that each node group keeps asleep; 0: DNS and the like may find no place at night.
    public var nodesAsleepMin = 1
    /// Node groups are woken so much earlier than the workloads, so that their nodes are there.
    public var nodeLead = TimeSpan.minutes(10)

    /// The defaults.
    public init() {}

    /// Reads a document; what it does not name has its default.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        try fields.read(.hours, into: &hours)
        try fields.read(.holidays, into: &holidays)
        try fields.read(.lead, into: &lead)
        try fields.read(.namespaces, into: &namespaces)
        try fields.read(.workloadAgeMin, into: &workloadAgeMin)
        try fields.read(.shrinksNodeGroups, into: &shrinksNodeGroups)
        try fields.read(.nodesAsleepMin, into: &nodesAsleepMin)
        try fields.read(.nodeLead, into: &nodeLead)
    }
}

/// When an unattached volume is deleted (domain-rules section 7).
public struct VolumePolicy: Hashable, Sendable, Codable {
    /// From the first sighting, which its tag bears, to the snapshot.
    public var grace = TimeSpan.days(7)
    /// Volumes deleted in one run.
    public var deletionsPerRunMax = 10
    /// Gibibytes deleted in one run.
    public var gibibytesPerRunMax = 1000
    /// Volumes with a tag whose key begins with one of these are never deleted.
    public var excludedTagPrefixes = ["Backup", "aws:cloudformation:", "dlm"]

    /// The defaults.
    public init() {}

    /// Reads a document; what it does not name has its default.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        try fields.read(.grace, into: &grace)
        try fields.read(.deletionsPerRunMax, into: &deletionsPerRunMax)
        try fields.read(.gibibytesPerRunMax, into: &gibibytesPerRunMax)
        try fields.read(.excludedTagPrefixes, into: &excludedTagPrefixes)
    }
}

/// When an instance that is in no cluster is terminated (domain-rules section 8).
public struct GhostPolicy: Hashable, Sendable, Codable {
    /// From the first sighting as a ghost, not from the launch.
    public var grace = TimeSpan.hours(24)
    /// An instance younger than this may still be joining.
    public var joining = TimeSpan.hours(1)
    /// Scans that must agree.
    public var scansMin = 2
    /// The least time between two scans that agree.
    public var scanGap = TimeSpan.minutes(30)
    /// More ghosts than this, and than `breakerShare` of the tagged instances, stop the scan: usually wrong credentials.
    public var breakerCount = 3
    /// The breaker's share of the tagged instances, 0 to 1.
    public var breakerShare = 0.10
    /// Whether ghosts are stopped, which keeps their root volume, instead of terminated.
    public var stops = false

    /// The defaults.
    public init() {}

    /// Reads a document; what it does not name has its default.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        try fields.read(.grace, into: &grace)
        try fields.read(.joining, into: &joining)
        try fields.read(.scansMin, into: &scansMin)
        try fields.read(.scanGap, into: &scanGap)
        try fields.read(.breakerCount, into: &breakerCount)
        try fields.read(.breakerShare, into: &breakerShare)
        try fields.read(.stops, into: &stops)
    }
}

/// How a container that ran out of memory is helped (domain-rules section 10).
public struct OOMPolicy: Hashable, Sendable, Codable {
    /// The limit grows by this share, 0.2 = 20 %.
    public var step = 0.20
    /// The limit grows by at least so many bytes.
    public var stepMin = Bytes.mebibytes(100)
    /// The limit grows to at most this many times the original.
    public var growthMax = 4.0
    /// The request becomes at least the observed peak times this.
    public var peakMargin = 1.15
    /// Raises per owner within 24 hours.
    public var raisesPerDayMax = 3
    /// After the rollout is complete, nothing is raised again for so long.
    public var cooldown = TimeSpan.minutes(10)
    /// Raises after which a time to the next kill that does not grow is taken for a leak.
    public var leakRaises = 2

    /// The defaults.
    public init() {}

    /// Reads a document; what it does not name has its default.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        try fields.read(.step, into: &step)
        try fields.read(.stepMin, into: &stepMin)
        try fields.read(.growthMax, into: &growthMax)
        try fields.read(.peakMargin, into: &peakMargin)
        try fields.read(.raisesPerDayMax, into: &raisesPerDayMax)
        try fields.read(.cooldown, into: &cooldown)
        try fields.read(.leakRaises, into: &leakRaises)
    }
}

/// What is done about traffic between zones (domain-rules section 9).
public struct NetworkPolicy: Hashable, Sendable, Codable {
    /// Ready endpoints that each client zone must have before traffic is kept in its zone.
    public var endpointsPerZoneMin = 2
    /// Gigabytes per month between two workloads before a preferred affinity is recommended.
    public var gigabytesPerMonthMin = 100.0

    /// The defaults.
    public init() {}

    /// Reads a document; what it does not name has its default.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        try fields.read(.endpointsPerZoneMin, into: &endpointsPerZoneMin)
        try fields.read(.gigabytesPerMonthMin, into: &gigabytesPerMonthMin)
    }
}
