import Foundation

/// One request to a cluster's API, its path already relative to the cluster.
struct KubernetesRequest: Sendable {
    var method: String
    /// Percent-decoded, without empty parts.
    var path: [String]
    var query: [String: String]
    var contentType: String
    var accept: String
    var body: [UInt8]
    var role: SimulatedRole
    /// Whom the log names: the token's user.
    var user: String

    func json() throws -> JSONValue {
        if contentType.contains("protobuf") || contentType.contains("cbor") {
            throw APIStatus.unsupportedMediaType(contentType)
        }
        do { return try JSONValue(parsing: body) } catch let error as JSONError {
            throw APIStatus.badRequest(
                "the object provided is unrecognized: couldn't get version/kind; json parse error: \(error)")
        }
    }
}

enum KubernetesReply: Sendable {
    case body(status: Int, bytes: [UInt8])
    case watch(WatchSession)

    static func json(_ value: JSONValue, status: Int = 200) -> KubernetesReply {
        .body(status: status, bytes: value.bytes)
    }
}

/// A running watch: what to send first and what follows.
struct WatchSession: Sendable {
    var id: Int
    var table: String
    var initial: [[UInt8]]
    var changes: AsyncStream<WatchSignal>
    var filter: ObjectFilter
    var kind: ResourceKind
    /// kubectl's own form.
    var printsTables: Bool

    func line(_ signal: WatchSignal) -> [UInt8]? {
        switch signal {
        case .change(let change): line(change)
        case .bookmark(let version): bookmark(version: version)
        }
    }

    /// The line for a change, as seen through the filter; nil when it is none of this watch's business.
    func line(_ change: ObjectChange) -> [UInt8]? {
        let was = change.previous.map { filter.matches(change.key, $0) } ?? false
        let isNow = change.kind != .deleted && filter.matches(change.key, change.object.value)
        switch (was, isNow) {
        case (false, true): return line("ADDED", change.object)
        case (true, true): return line("MODIFIED", change.object)
        case (true, false): return line("DELETED", change.object)
        case (false, false): return nil
        }
    }

    func line(_ type: String, _ object: StoredObject) -> [UInt8] {
        guard printsTables else { return Self.line(type, object.bytes) }
        return Self.line(
            type, TablePrinter.table([object.value], kind: kind, version: object.version, now: Date()).bytes)
    }

    static func line(_ type: String, _ object: [UInt8]) -> [UInt8] {
        Array("{\"type\":\"\(type)\",\"object\":".utf8) + object + Array("}\n".utf8)
    }

    private func bookmark(version: Int) -> [UInt8] {
        let object: JSONValue = [
            "apiVersion": .string(kind.groupVersion), "kind": .string(kind.kind),
            "metadata": ["resourceVersion": .string(String(version)), "creationTimestamp": .null],
        ]
        return Self.line("BOOKMARK", object.bytes)
    }
}

/// Which objects of a kind a list or watch is about.
struct ObjectFilter: Sendable {
    var namespace: String?
    var labels: LabelSelector?
    var fields: FieldSelector?

    /// - Throws: `APIStatus` 400 for a malformed selector.
    init(_ request: KubernetesRequest, kind: ResourceKind, namespace: String?) throws {
        self.namespace = namespace
        if let query = request.query["labelSelector"], !query.isEmpty { labels = try LabelSelector(query: query) }
        if let query = request.query["fieldSelector"], !query.isEmpty {
            fields = try FieldSelector(query: query, kind: kind)
        }
    }

    func matches(_ key: ObjectKey, _ object: JSONValue) -> Bool {
        if let namespace, key.namespace != namespace { return false }
        if let labels, !labels.matches(object["metadata"]["labels"].strings) { return false }
        return fields?.matches(object) ?? true
    }
}
