/// One permission that CloudOptim uses at a far side, and what became of asking for it.
public struct PermissionAnswer: Hashable, Sendable, Codable {
    /// The possible answers.
    public enum Outcome: String, Hashable, Sendable, Codable {
        /// We have it.
        case granted
        /// We lack it.
        case denied
        /// It cannot be asked: the far side knows no dry run for it, or there is nothing to ask it about.
        case unknown
    }

    /// Its name, as its policy writes it: `ec2:DeleteVolume`, `patch nodes`.
    public var name: String
    /// Whether it only looks.
    public var isRead: Bool
    /// The features that need it; empty: all of them.
    public var features: [Feature]
    /// The answer.
    public var outcome: Outcome
    /// Why it is unknown, or what the far side said; empty: nothing.
    public var detail: String
    /// Whether only a part of its features needs it, which a policy turns on by itself: node groups, flow logs.
    public var isOptional: Bool

    /// Makes an answer.
    public init(
        _ name: String, isRead: Bool, features: [Feature], _ outcome: Outcome, detail: String = "",
        isOptional: Bool = false
    ) {
        self.isOptional = isOptional
        self.name = name
        self.isRead = isRead
        self.features = features
        self.outcome = outcome
        self.detail = detail
    }
}

/// How far a feature may go by the permissions that are there.
public enum FeatureReach: String, Hashable, Sendable, Codable {
    /// It lacks something that it looks with.
    case off
    /// It sees all it needs, and lacks something that it acts with.
    case looks
    /// It lacks nothing.
    case acts
}

/// What the permissions of a cluster allow.
public struct PreflightReport: Hashable, Sendable, Codable {
    /// One feature.
    public struct Line: Hashable, Sendable, Codable {
        /// The feature.
        public var feature: Feature
        /// How far it may go.
        public var reach: FeatureReach
        /// What it lacks, by name.
        public var missing: [String]
        /// What could not be asked.
        public var unknown: [String]
    }

    /// Every feature, in the order of their names.
    public var features: [Line]

    /// Draws the conclusions. What is unknown counts as there: the call itself will tell. What is optional is told where it is
    /// missing, and turns nothing off.
    public init(_ answers: [PermissionAnswer]) {
        features = Feature.allCases.sorted { $0.rawValue < $1.rawValue }.map { feature in
            let needed = answers.filter { $0.features.isEmpty || $0.features.contains(feature) }
            let missing = needed.filter { $0.outcome == .denied }
            let binding = missing.filter { !$0.isOptional }
            let reach: FeatureReach =
                binding.contains(where: \.isRead) ? .off : binding.isEmpty ? .acts : .looks
            return Line(
                feature: feature, reach: reach, missing: missing.map(\.name).sorted(),
                unknown: needed.filter { $0.outcome == .unknown }.map(\.name).sorted())
        }
    }

    /// The line of a feature.
    public func line(_ feature: Feature) -> Line? { features.first { $0.feature == feature } }
}
