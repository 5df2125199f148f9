import Foundation

/// When a kind is due, and what becomes of ticks that were missed or that overlap.
public struct Schedule: Sendable, Codable, Equatable {
    /// The times.
    public enum Times: Sendable, Equatable {
        /// Every so many seconds, counted from 1970 plus a phase per target that spreads the load.
        case every(seconds: Int)
        /// A five-field cron expression in a time zone.
        case cron(CronExpression, zone: String)
    }

    /// What happens to slots that passed while nobody fired them.
    public enum Missed: String, Sendable, Codable, CaseIterable {
        /// They are forgotten.
        case skip
        /// The newest of them runs, once.
        case latest
        /// They all run, at most `missedMax`.
        case all
    }

    /// What happens to a slot while the last slot's job has not ended.
    public enum Overlap: String, Sendable, Codable, CaseIterable {
        /// The slot is skipped.
        case skip
        /// Its job is enqueued all the same.
        case queue
        /// The last job is cancelled and the slot's job enqueued.
        case cancelOld = "cancel-old"
    }

    /// The times.
    public var times: Times
    /// The policy for missed slots.
    public var missed: Missed
    /// With `missed: all`, the most slots caught up at once.
    public var missedMax: Int
    /// The policy for overlapping slots.
    public var overlap: Overlap

    /// Makes a schedule.
    public init(_ times: Times, missed: Missed = .latest, missedMax: Int = 1, overlap: Overlap = .skip) {
        self.times = times
        self.missed = missed
        self.missedMax = missedMax
        self.overlap = overlap
    }

    /// The first slot strictly after `instant` for a target. nil: a cron expression that never matches.
    public func next(after instant: Date, target: String) -> Date? {
        switch times {
        case .every(let seconds):
            let period = Double(seconds)
            let phase = Schedule.phase(of: target, periodSeconds: seconds)
            let index = ((instant.timeIntervalSince1970 - phase) / period).rounded(.down) + 1
            return Date(timeIntervalSince1970: index * period + phase)
        case .cron(let expression, let zone):
            guard let zone = TimeZone(identifier: zone) else { return nil }
            return expression.next(after: instant, in: zone)
        }
    }

    /// How much later than at once a new schedule's first slot is, in seconds: bulk work that comes less often than every
    /// five minutes begins one to ten minutes later, spread by the schedule's id, so that a fresh fleet does not read
    /// everything at once. The ledger's `first_slot` says the same.
    func firstDelay(of id: String, lane: Lane) -> TimeInterval {
        if case .every(let seconds) = times, seconds <= 300 { return 0 }
        guard lane == .data else { return 0 }
        return TimeInterval(60 + (Int(SHA256Digest.hex(of: id).prefix(4), radix: 16) ?? 0) % 540)
    }

    /// The slots to fire now, oldest first, given the next slot on record, and the slot that comes after them.
    /// Empty when nothing is due. Bounded by `missedMax`.
    public func due(nextSlot: Date, now: Date, target: String) -> (fire: [Date], next: Date?) {
        guard nextSlot <= now else { return ([], nextSlot) }
        switch missed {
        case .all:
            var fire = [nextSlot]
            var slot = next(after: nextSlot, target: target)
            while let found = slot, found <= now {
                fire.append(found)
                if fire.count > missedMax { fire.removeFirst() }
                slot = next(after: found, target: target)
            }
            return (fire, slot)
        case .latest, .skip:
            let upcoming = next(after: now, target: target)
            let newest = newestSlot(from: nextSlot, through: now, target: target)
            if missed == .skip, now.timeIntervalSince(newest) > Schedule.graceSeconds { return ([], upcoming) }
            return ([newest], upcoming)
        }
    }

    /// With `missed: skip`, a slot up to this old still counts as on time.
    public static let graceSeconds: Double = 60

    private func newestSlot(from first: Date, through now: Date, target: String) -> Date {
        if case .every(let seconds) = times {
            let phase = Schedule.phase(of: target, periodSeconds: seconds)
            let period = Double(seconds)
            let newest = ((now.timeIntervalSince1970 - phase) / period).rounded(.down) * period + phase
            return max(first, Date(timeIntervalSince1970: newest))
        }
        var newest = first
        var steps = 0
        while steps < 100_000, let following = next(after: newest, target: target), following <= now {
            newest = following
            steps += 1
        }
        return newest
    }

    /// Where in the period a target's slots lie, in whole milliseconds: the same on every machine (FNV-1a).
    static func phase(of target: String, periodSeconds: Int) -> Double {
        guard !target.isEmpty, periodSeconds > 0 else { return 0 }
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in target.utf8 {
            hash ^= UInt64(byte)
            hash &*= 0x100_0000_01b3
        }
        return Double(hash % UInt64(periodSeconds * 1000)) / 1000
    }

    enum CodingKeys: String, CodingKey {
        case every, cron, zone, missed, overlap
        case missedMax = "missed_max"
    }

    /// Decodes `every` in seconds or `cron` with `zone`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if let seconds = try container.decodeIfPresent(Int.self, forKey: .every) {
            guard seconds > 0 else {
                throw DecodingError.dataCorruptedError(
                    forKey: .every, in: container, debugDescription: "must be above 0")
            }
            times = .every(seconds: seconds)
        } else {
            let text = try container.decode(String.self, forKey: .cron)
            let zone = try container.decodeIfPresent(String.self, forKey: .zone) ?? "UTC"
            do {
                times = .cron(try CronExpression(text), zone: zone)
            } catch {
                throw DecodingError.dataCorruptedError(forKey: .cron, in: container, debugDescription: "\(error)")
            }
        }
        missed = try container.decodeIfPresent(Missed.self, forKey: .missed) ?? .latest
        missedMax = try container.decodeIfPresent(Int.self, forKey: .missedMax) ?? 1
        overlap = try container.decodeIfPresent(Overlap.self, forKey: .overlap) ?? .skip
    }

    /// Encodes what `init(from:)` reads.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch times {
        case .every(let seconds): try container.encode(seconds, forKey: .every)
        case .cron(let expression, let zone):
            try container.encode(expression.text, forKey: .cron)
            try container.encode(zone, forKey: .zone)
        }
        try container.encode(missed, forKey: .missed)
        try container.encode(missedMax, forKey: .missedMax)
        try container.encode(overlap, forKey: .overlap)
    }
}
