import JobQueue

/// How a worker process behaves. The defaults suit a small container.
public struct WorkerConfiguration: Sendable {
    /// The host's name, for people.
    public var host = "localhost"
    /// The program's version, for people and for rolling upgrades.
    public var version = "dev"
    /// The queues it takes from.
    public var queues = ["default"]
    /// Handlers that run at once. A quarter is kept for lane 0.
    public var slots = 16
    /// Jobs it may own at once, waiting ones included; of lane 0 as many again.
    public var inFlightMax = 256
    /// How long the ledger trusts it without a renewal.
    public var lease = Duration.seconds(12)
    /// How often it renews.
    public var renewEvery = Duration.seconds(4)
    /// It stops trusting itself this long before the ledger would: the answer's way, and clocks.
    public var trustMargin = Duration.seconds(3)
    /// A look into the ledger beside the broker, at least this often; jittered by half.
    public var scanEvery = Duration.milliseconds(1300)
    /// How often a busy worker looks whether suspects wait for one that has nothing else; jittered by half.
    public var suspectLookEvery = Duration.seconds(30)
    /// How long it takes nothing (but lane 0) to become idle for them.
    public var suspectRoomFor = Duration.seconds(10)
    /// How often the lines that runs have logged are written; checkpoints and ends write them at once.
    public var logEvery = Duration.seconds(1)
    /// How long handlers may take to reach a checkpoint when the worker is asked to stop; then they are cancelled.
    public var drainTimeout = Duration.seconds(20)

    /// The defaults.
    public init() {}
}
