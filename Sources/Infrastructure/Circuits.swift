/// Circuit breakers, one per far side and target, shared by the fleet: five failures in a row open one, then one caller in
/// half a minute is let through as a probe, and a success closes it. And how often operators let a far side be asked.
public protocol Circuits: Sendable {
    /// nil: the far side may be asked. Otherwise its circuit is open, and this is the time until the next probe.
    func wait(for side: FarSide, of target: String) async throws -> Duration?
    /// Takes a token of the operators' rates for the far side, everywhere and of this target; nil: they leave room.
    /// Otherwise the time until there is one.
    func room(for side: FarSide, of target: String) async throws -> Duration?
    /// Notes a failure. True: it opened the circuit.
    func noteFailure(_ message: String, of side: FarSide, target: String) async throws -> Bool
    /// Notes an answer.
    func noteSuccess(of side: FarSide, target: String) async throws
}

/// Never opens: for programs without a fleet.
public struct ClosedCircuits: Circuits {
    /// There is nothing to know.
    public init() {}
    /// Always at once.
    public func wait(for side: FarSide, of target: String) -> Duration? { nil }
    /// There is always room.
    public func room(for side: FarSide, of target: String) -> Duration? { nil }
    /// Forgets it.
    public func noteFailure(_ message: String, of side: FarSide, target: String) -> Bool { false }
    /// Forgets it.
    public func noteSuccess(of side: FarSide, target: String) {}
}
