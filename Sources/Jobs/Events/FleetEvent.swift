import Foundation
import Infrastructure

/// What a message of an interruption queue says, whichever way it came.
struct FleetEvent: Hashable, Sendable, Codable {
    /// What happened.
    enum Kind: Hashable, Sendable, Codable {
        /// A spot instance has two minutes left.
        case spotWarning
        /// An instance of an interruptible capacity reservation has two minutes left.
        case capacityReservation
        /// A spot instance is at elevated risk.
        case rebalance
        /// AWS Health: a scheduled change, and when it starts.
        case maintenance(start: Date?)
        /// The instance's new state.
        case stateChange(InstanceState)
        /// An Auto Scaling group is ending the instance and waits.
        case lifecycle(LifecycleAction)
        /// Something that asks nothing of us, by name.
        case noted(String)

        /// The kind's name in tables.
        var name: String {
            switch self {
            case .spotWarning: "spot-warning"
            case .capacityReservation: "capacity-reservation"
            case .rebalance: "rebalance"
            case .maintenance: "maintenance"
            case .stateChange(let state): "state-change/\(state.rawValue)"
            case .lifecycle: "lifecycle"
            case .noted(let name): name
            }
        }
    }

    /// The event's id; the message's where the body has none.
    var id: String
    /// The account it names; empty: none.
    var account: String
    /// The region it names; empty: none.
    var region: String
    /// When it happened, by its own word.
    var at: Date
    /// What happened.
    var kind: Kind
    /// The instances it is about.
    var instances: [InstanceID]

    /// When the instance is gone, as far as the event tells. Source: the two minutes of EC2's warnings.
    func deadline(lifecycleSeconds: Double) -> Date {
        switch kind {
        case .spotWarning, .capacityReservation: at.addingTimeInterval(120)
        case .maintenance(let start): start ?? at.addingTimeInterval(120)
        case .lifecycle: at.addingTimeInterval(lifecycleSeconds)
        case .rebalance, .stateChange, .noted: at
        }
    }

    /// The interruption it makes; nil: none.
    var interruption: InterruptionKind? {
        switch kind {
        case .spotWarning: .spotWarning
        case .capacityReservation: .capacityReservation
        case .maintenance: .maintenance
        case .lifecycle: .lifecycle
        case .stateChange(let state): state.isEnding ? .stateChange : nil
        case .rebalance, .noted: nil
        }
    }
}
