import Foundation
import HTTPClient
import Infrastructure

/// The keys of a flow log's objects in a span of time. Source: Amazon VPC user guide, "Flow log files".
struct FlowLogKeys {
    private let bucket: FlowLogBucket
    /// The first and the last minute that a key may name, as `20261123T0905Z`.
    private let first: String
    private let last: String
    /// Folders in the order of time.
    private let folders: [String]

    /// A file bears the minute in which its records end; they come within a quarter of an hour.
    static let lateness: TimeInterval = 15 * 60

    init(_ bucket: FlowLogBucket, from: Date, until: Date) {
        self.bucket = bucket
        let end = until.addingTimeInterval(FlowLogKeys.lateness)
        first = FlowLogKeys.minute(from)
        last = FlowLogKeys.minute(end)
        let hour: TimeInterval = 3600
        let start = (from.timeIntervalSince1970 / hour).rounded(.down) * hour
        var folders: [String] = []
        for time in stride(from: start, through: end.timeIntervalSince1970, by: hour) {
            let folder = FlowLogKeys.folder(bucket, Date(timeIntervalSince1970: time))
            if folders.last != folder { folders.append(folder) }
        }
        self.folders = folders
    }

    private static func minute(_ date: Date) -> String { String(AWSTimestamp.compact(date).prefix(13)) + "Z" }

    private static func folder(_ bucket: FlowLogBucket, _ date: Date) -> String {
        let text = Array(AWSTimestamp.compact(date))
        let parts = [("year", 0..<4), ("month", 4..<6), ("day", 6..<8)] + (bucket.isHourly ? [("hour", 9..<11)] : [])
        return bucket.root
            + parts.map { name, place in (bucket.isHive ? name + "=" : "") + String(text[place]) + "/" }.joined()
    }

    /// Where a listing goes on.
    struct Cursor: Equatable {
        /// What the keys begin with.
        var prefix: String
        /// The key after which they are.
        var after: String
    }

    private func start(_ folder: String) -> Cursor {
        Cursor(prefix: folder + bucket.file, after: folder + bucket.file + first)
    }

    /// The place that a token names, which is a key or the beginning of one; nil: there is nothing there.
    func cursor(_ token: String?) -> Cursor? {
        guard let token else { return folders.first.map(start) }
        return folders.first { token.hasPrefix($0) }.map { Cursor(prefix: $0 + bucket.file, after: token) }
    }

    /// The token of the folder after this one; nil: it is the last.
    func next(after cursor: Cursor) -> String? {
        guard let place = folders.firstIndex(where: { $0 + bucket.file == cursor.prefix }), place + 1 < folders.count
        else { return nil }
        return start(folders[place + 1]).after
    }

    /// Whether a key's minute is within the span.
    func contains(_ key: String, _ cursor: Cursor) -> Bool {
        key.dropFirst(cursor.prefix.count).prefix(last.count) <= last
    }
}

extension AWSClient {
    /// Largest object that is read, packed.
    static let flowObjectBytesMax = 8 << 20
    /// Most text that an object may unpack to.
    static let flowTextBytesMax = 64 << 20

    struct ListedObject: Sendable, Hashable {
        var key: String
        var size: Int64
    }

    /// `ListObjectsV2`: the first keys with the prefix that come after one.
    func listObjects(
        bucket: String, prefix: String, after: String, limit: Int, _ options: CallOptions = CallOptions()
    ) async throws -> [ListedObject] {
        let call = ServiceCall.s3(
            "ListObjectsV2", path: [bucket],
            query: [
                ("list-type", "2"), ("max-keys", String(limit)), ("prefix", prefix), ("start-after", after),
            ])
        let answer = try await xml(call, options)
        return try read(call, answer) { tree in
            try tree.children.filter { $0.name == "Contents" }.map { entry in
                guard let size = Int64(try entry.required("Size")) else {
                    throw XMLTree.Malformed(description: "Size is no number")
                }
                return ListedObject(key: try entry.required("Key"), size: size)
            }
        }
    }

    /// `GetObject`.
    func object(bucket: String, key: String, _ options: CallOptions = CallOptions()) async throws -> [UInt8] {
        let path = [bucket] + key.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        return try await send(.s3("GetObject", path: path), options).body
    }

    /// One object of a flow log, the first after the token; a page without lines where a folder has no more.
    ///
    /// An object that is too large, is not gzip of text or was damaged is left out as a whole, and told.
    func flowLogPage(
        _ bucket: FlowLogBucket, from: Date, until: Date, token: String?, _ options: CallOptions = CallOptions()
    ) async throws -> FlowLogPage {
        let keys = FlowLogKeys(bucket, from: from, until: until)
        guard let cursor = keys.cursor(token) else { return FlowLogPage(lines: []) }
        let listed = try await listObjects(
            bucket: bucket.name, prefix: cursor.prefix, after: cursor.after, limit: 1, options)
        guard let found = listed.first, keys.contains(found.key, cursor) else {
            return FlowLogPage(lines: [], next: keys.next(after: cursor))
        }
        func unread(_ reason: String) -> FlowLogPage {
            FlowLogPage(lines: [], unread: ["\(bucket.name)/\(found.key): \(reason)"], next: found.key)
        }
        guard found.key.hasSuffix(".log.gz") else {
            return unread(found.key.hasSuffix(".parquet") ? "it is Parquet, not text" : "it is no .log.gz")
        }
        guard found.size <= AWSClient.flowObjectBytesMax else {
            return unread("it has \(found.size) bytes, more than \(AWSClient.flowObjectBytesMax)")
        }
        let packed = try await object(bucket: bucket.name, key: found.key, options)
        do {
            let bytes = try Gzip.unpack(packed, bytesMax: AWSClient.flowTextBytesMax)
            guard let text = String(validating: bytes, as: UTF8.self) else { return unread("it is no UTF-8") }
            return FlowLogPage(lines: text.split(separator: "\n").map(String.init), next: found.key)
        } catch let damage {
            return unread(damage.description)
        }
    }
}
