import Foundation

/// Reads what capacity costs everybody: with the installation's own credentials, never a customer's. Every call may throw
/// `FarSideError`.
public protocol Market: Sendable {
    /// One page of `DescribeSpotPriceHistory` of Linux, newest first, with the prices in force at `from`.
    /// - Parameter token: the last page's; nil: the first page.
    func spotPrices(types: [String], from: Date, until: Date, token: String?) async throws -> SpotPricePage
    /// One page of the on-demand prices of Linux in the region.
    func onDemandPrices(token: String?) async throws -> OnDemandPage
    /// The id of each zone by its name in our own account.
    func zoneIDs() async throws -> [String: String]
    /// The Spot Advisor's document, if it is another than the one with that entity tag.
    func advice(url: String, unlessTagged tag: String?) async throws -> AdvisorAnswer
}

/// A row of the spot price history, as it came.
public struct SpotPriceRow: Hashable, Sendable, Codable {
    /// The zone's name in the account that asked.
    public var zone: String
    /// The zone's id, the same in all accounts; nil: not told.
    public var zoneID: String?
    /// The instance type.
    public var type: String
    /// The price per hour from then on.
    public var price: MicroDollars
    /// When it changed.
    public var at: Date
    /// When it was last seen in force; not before `at`.
    public var lastSeen: Date

    /// Makes a row.
    public init(zone: String, zoneID: String?, type: String, price: MicroDollars, at: Date, lastSeen: Date? = nil) {
        self.zone = zone
        self.zoneID = zoneID
        self.type = type
        self.price = price
        self.at = at
        self.lastSeen = lastSeen ?? at
    }
}

/// A page of the spot price history. Pages may be empty, and tokens may repeat.
public struct SpotPricePage: Hashable, Sendable, Codable {
    /// Its rows.
    public var rows: [SpotPriceRow]
    /// The next page's token; nil: this is the last.
    public var next: String?

    /// Makes a page.
    public init(rows: [SpotPriceRow], next: String? = nil) {
        self.rows = rows
        self.next = next
    }
}

/// A page of on-demand prices.
public struct OnDemandPage: Hashable, Sendable, Codable {
    /// Prices per hour by type.
    public var prices: [String: MicroDollars]
    /// The next page's token; nil: this is the last.
    public var next: String?

    /// Makes a page.
    public init(prices: [String: MicroDollars], next: String? = nil) {
        self.prices = prices
        self.next = next
    }
}

/// What the Spot Advisor says of one type in one region.
public struct SpotAdvice: Hashable, Sendable, Codable {
    /// The range of the interruption rate: 0 is below 5 %, 4 above 20 %.
    public let range: Int
    /// The saving against on demand in per cent; may be negative.
    public let savingPercent: Int

    /// Makes advice.
    public init(range: Int, savingPercent: Int) {
        self.range = range
        self.savingPercent = savingPercent
    }
}

/// What became of asking for the Spot Advisor's document.
public enum AdvisorAnswer: Hashable, Sendable, Codable {
    /// It is the one that is known.
    case unchanged
    /// Another: advice by region and type, Linux.
    case document(tag: String?, regions: [String: [String: SpotAdvice]])
}

/// What a pool did to us.
public struct PoolIncident: Hashable, Sendable, Codable {
    /// The kinds.
    public enum Kind: String, Hashable, Sendable, Codable {
        /// An instance was interrupted.
        case interruption
        /// A launch found no capacity.
        case noCapacity = "no-capacity"
        /// A rebalance recommendation.
        case rebalance
    }

    /// The pool; its zone by the account's own name.
    public var pool: SpotPool
    /// What happened.
    public var kind: Kind
    /// When, world time.
    public var at: Date

    /// Makes an incident.
    public init(pool: SpotPool, _ kind: Kind, at: Date) {
        self.pool = pool
        self.kind = kind
        self.at = at
    }
}

/// Rows of spot prices to keep, of one region.
public struct SpotPriceFact: Hashable, Sendable, Codable {
    /// The region.
    public var region: String
    /// Rows of equal runs compressed, at most 5,000.
    public var rows: [SpotPriceRow]

    /// Makes one.
    public init(region: String, rows: [SpotPriceRow]) {
        self.region = region
        self.rows = rows
    }
}

/// On-demand prices to keep, of one region.
public struct OnDemandFact: Hashable, Sendable, Codable {
    /// A type's price per hour.
    public struct Entry: Hashable, Sendable, Codable {
        /// The type.
        public var type: String
        /// Its price.
        public var price: MicroDollars
    }

    /// The region.
    public var region: String
    /// Prices by type.
    public var entries: [Entry]
    /// When they were read, world time.
    public var at: Date

    /// Makes one.
    public init(region: String, prices: [String: MicroDollars], at: Date) {
        self.region = region
        entries = prices.sorted { $0.key < $1.key }.map { Entry(type: $0.key, price: $0.value) }
        self.at = at
    }
}

/// The Spot Advisor's advice to keep, of one region; what is not named any more is forgotten.
public struct AdviceFact: Hashable, Sendable, Codable {
    /// A type's advice.
    public struct Entry: Hashable, Sendable, Codable {
        /// The type.
        public var type: String
        /// 0 to 4.
        public var range: Int
        /// Per cent.
        public var saving: Int
    }

    /// The region.
    public var region: String
    /// Advice by type.
    public var entries: [Entry]

    /// Makes one.
    public init(region: String, advice: [String: SpotAdvice]) {
        self.region = region
        entries = advice.sorted { $0.key < $1.key }.map {
            Entry(type: $0.key, range: $0.value.range, saving: $0.value.savingPercent)
        }
    }
}

/// The zones of an account: which id each name stands for.
public struct AccountZonesFact: Hashable, Sendable, Codable {
    /// A zone.
    public struct Entry: Hashable, Sendable, Codable {
        /// Its name in the account.
        public var zone: String
        /// Its id in all accounts.
        public var id: String
    }

    /// The account.
    public var account: String
    /// The region.
    public var region: String
    /// Its zones.
    public var zones: [Entry]

    /// Makes one.
    public init(account: String, region: String, ids: [String: String]) {
        self.account = account
        self.region = region
        zones = ids.sorted { $0.key < $1.key }.map { Entry(zone: $0.key, id: $0.value) }
    }
}

/// How far a source of prices was read.
public struct PriceSourceFact: Hashable, Sendable, Codable {
    /// `advisor`, `spot/us-east-1`, `on-demand/us-east-1`.
    public var name: String
    /// The entity tag of what was read; nil: it has none.
    public var tag: String?
    /// When it was read, world time.
    public var at: Date

    /// Makes one.
    public init(name: String, tag: String? = nil, at: Date) {
        self.name = name
        self.tag = tag
        self.at = at
    }
}

/// Whole days whose spot prices are there, or can never be had.
public struct PriceDaysFact: Hashable, Sendable, Codable {
    /// The region.
    public var region: String
    /// The instance types.
    public var types: [String]
    /// The days, UTC.
    public var days: [LocalDay]
    /// False: they are older than AWS tells.
    public var isFilled: Bool

    /// Makes one.
    public init(region: String, types: [String], days: [LocalDay], isFilled: Bool) {
        self.region = region
        self.types = types
        self.days = days
        self.isFilled = isFilled
    }
}
