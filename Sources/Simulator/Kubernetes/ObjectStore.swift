import Foundation
import Synchronization

/// Name of an object within its kind.
struct ObjectKey: Hashable, Comparable, Sendable {
    var namespace: String
    var name: String

    static func < (left: ObjectKey, right: ObjectKey) -> Bool {
        left.namespace == right.namespace ? left.name < right.name : left.namespace < right.namespace
    }
}

/// An object under one version, with its JSON text, which is written when somebody first asks for it.
final class StoredObject: Sendable {
    let value: JSONValue
    let version: Int
    private let text = Mutex<[UInt8]?>(nil)

    init(value: JSONValue, version: Int) {
        self.value = value
        self.version = version
    }

    var bytes: [UInt8] {
        text.withLock { known in
            if let known { return known }
            let written = value.bytes
            known = written
            return written
        }
    }
}

/// One change, as watchers see it.
struct ObjectChange: Sendable {
    enum Kind: String, Sendable { case added = "ADDED", modified = "MODIFIED", deleted = "DELETED" }

    var kind: Kind
    var key: ObjectKey
    var object: StoredObject
    /// The value before, for selectors that it matched and no longer does.
    var previous: JSONValue?
}

/// What a watch is told.
enum WatchSignal: Sendable {
    case change(ObjectChange)
    /// Nothing newer than this version is missing.
    case bookmark(version: Int)
}

struct Watcher {
    var continuation: AsyncStream<WatchSignal>.Continuation
    var sendsBookmarks: Bool
    /// In real time, as a client counts its timeout.
    var end: Date
}

/// The objects of one kind, with the recent changes that a watch may start from.
struct ObjectTable {
    /// A watch from further back is told 410 Gone, as by a real server's watch cache.
    static let historyMax = 20_000

    private(set) var objects: [ObjectKey: StoredObject] = [:]
    private(set) var history: [ObjectChange] = []
    /// Changes up to this version are no longer in the history.
    private(set) var forgottenVersion = 0
    private var sorted: [ObjectKey]?
    var watchers: [Int: Watcher] = [:]

    mutating func sortedKeys() -> [ObjectKey] {
        if let sorted { return sorted }
        let keys = objects.keys.sorted()
        sorted = keys
        return keys
    }

    mutating func put(_ key: ObjectKey, _ object: StoredObject) {
        let previous = objects.updateValue(object, forKey: key)
        if previous == nil { sorted = nil }
        record(
            ObjectChange(
                kind: previous == nil ? .added : .modified, key: key, object: object, previous: previous?.value))
    }

    mutating func remove(_ key: ObjectKey, last: StoredObject) {
        let previous = objects.removeValue(forKey: key)
        sorted = nil
        record(ObjectChange(kind: .deleted, key: key, object: last, previous: previous?.value))
    }

    private mutating func record(_ change: ObjectChange) {
        history.append(change)
        if history.count > Self.historyMax {
            let dropped = Self.historyMax / 4
            forgottenVersion = history[dropped - 1].object.version
            history.removeFirst(dropped)
        }
        for (id, watcher) in watchers {
            // A client that reads too slowly loses its watch and lists again.
            if case .dropped = watcher.continuation.yield(.change(change)) {
                watcher.continuation.finish()
                watchers[id] = nil
            }
        }
    }
}
