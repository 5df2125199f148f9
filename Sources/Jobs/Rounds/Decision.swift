import Infrastructure
import JobQueue

/// What a round leads to. Made by `decide`, stored before anything of it is done.
public struct Decision: Codable, Sendable, Equatable {
    /// The form of this document.
    public var version: Int = 1
    /// What is done, side by side unless one names another with `after`. At most 500.
    public var actions: [Action]
    /// What a person should see; also why something was not done.
    public var findings: [Finding]
    /// Values to keep, committed with the round's end.
    public var facts: [Fact]
    /// Jobs to enqueue with the round's end. At most 50.
    public var followUps: [JobRequest]
    /// Messages to delete after that commit.
    public var acknowledgements: [Acknowledgement]
    /// How far the job is; noted with the round's end.
    public var progress: JobProgress?
    /// What comes after.
    public var next: Next
    /// What the next round's `observe` finds in its context.
    public var memory: JSONText?
    /// What the job leaves behind, when it ends.
    public var result: JSONText?
    /// True when there was nothing to do: the run leaves no history row.
    public var isEmpty: Bool
    /// True: what this round does is watched in the next ones, so that the job goes on though something was withheld by a window or
    /// a budget. Else it ends with a finding.
    public var watches: Bool?
    /// What later rounds of the same plan will do if nothing changes: not carried out now, but shown by a proposal and
    /// covered by its approval. At most 500.
    public var foreseen: [Action]?
    /// The version of the cluster's policy it was made under; set by RoundRunner.
    public var policyVersion: Int?
    /// SHA-256 of the observation it was made from, where it is to be proposed; set by RoundRunner.
    public var observationDigest: String?

    /// Makes a decision.
    public init(
        actions: [Action] = [], findings: [Finding] = [], facts: [Fact] = [], followUps: [JobRequest] = [],
        acknowledgements: [Acknowledgement] = [], progress: JobProgress? = nil, next: Next = .done,
        memory: JSONText? = nil, result: JSONText? = nil, isEmpty: Bool = false, foreseen: [Action]? = nil,
        watches: Bool? = nil
    ) {
        self.actions = actions
        self.findings = findings
        self.facts = facts
        self.followUps = followUps
        self.acknowledgements = acknowledgements
        self.progress = progress
        self.next = next
        self.memory = memory
        self.result = result
        self.isEmpty = isEmpty
        self.foreseen = foreseen
        self.watches = watches
    }

    /// The most actions of one round.
    public static let actionsMax = 500
    /// The most follow-ups of one round.
    public static let followUpsMax = 50
    /// The most facts and findings of one round.
    public static let factsMax = 10_000
    /// The longest effect key, in bytes.
    public static let keyBytesMax = 512

    /// Checks the limits that hold for every decision, ours or an uploaded engine's.
    /// - Throws: `QueueError` `invalid` that names the field.
    public func validated() throws -> Decision {
        func refuse(_ field: String, _ found: String, _ wanted: String) throws {
            throw QueueError(.invalid, "decision.\(field) is \(found), wanted \(wanted)")
        }
        if version != 1 { try refuse("version", "\(version)", "1") }
        if actions.count > Decision.actionsMax {
            try refuse("actions", "\(actions.count) long", "at most \(Decision.actionsMax)")
        }
        if let foreseen, foreseen.count > Decision.actionsMax {
            try refuse("foreseen", "\(foreseen.count) long", "at most \(Decision.actionsMax)")
        }
        if followUps.count > Decision.followUpsMax {
            try refuse("followUps", "\(followUps.count) long", "at most \(Decision.followUpsMax)")
        }
        if facts.count + findings.count > Decision.factsMax {
            try refuse("facts", "\(facts.count + findings.count) long", "at most \(Decision.factsMax)")
        }
        var keys: Set<String> = []
        for action in actions {
            if action.key.isEmpty || action.key.utf8.count > Decision.keyBytesMax {
                try refuse("actions.key", "\(action.key.utf8.count) bytes long", "1 to \(Decision.keyBytesMax)")
            }
            if !keys.insert(action.key).inserted { try refuse("actions.key", "'\(action.key)' twice", "each once") }
        }
        for action in actions {
            if let after = action.after, !keys.contains(after) || after == action.key {
                try refuse("actions.after", "'\(after)'", "the key of another action of the round")
            }
        }
        if case .again = next, !actions.isEmpty, !followUps.isEmpty || !acknowledgements.isEmpty {
            try refuse(
                "followUps", "given beside actions and another round",
                "follow-ups in a round without actions, or in the last")
        }
        return self
    }
}
