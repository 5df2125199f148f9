import Foundation

/// get, list and watch.
extension ClusterState {
    func get(_ request: KubernetesRequest, _ target: Target) throws -> [UInt8] {
        if target.kind.isComputed {
            guard let value = metrics(target.kind, target.key) else {
                throw APIStatus.notFound(target.kind, target.key.name)
            }
            return value.bytes
        }
        guard let stored = object(target.kind, target.key) else {
            throw APIStatus.notFound(target.kind, target.key.name)
        }
        if TablePrinter.isWanted(request.accept) {
            return TablePrinter.table([stored.value], kind: target.kind, version: version, now: now).bytes
        }
        return stored.bytes
    }

    func list(_ request: KubernetesRequest, _ target: Target) throws -> KubernetesReply {
        let filter = try ObjectFilter(request, kind: target.kind, namespace: target.namespace)
        if target.kind.isComputed { return listMetrics(target.kind, filter) }
        guard var table = tables[target.kind.id] else { throw APIStatus.noSuchPath }
        var keys = candidates(target.kind, filter) ?? table.sortedKeys()
        tables[target.kind.id] = table
        var listVersion = version
        if let text = request.query["continue"], !text.isEmpty {
            let token = try ContinueToken(text)
            guard token.version >= table.forgottenVersion else {
                throw APIStatus.gone("The provided continue parameter is too old to display a consistent list result.")
            }
            listVersion = token.version
            keys = Array(keys[keys.partitioningIndex { $0 > token.after }...])
        }
        let limit = request.query["limit"].flatMap { Int($0) } ?? 0
        var chosen: [StoredObject] = []
        var last: ObjectKey?
        var remaining = 0
        for key in keys {
            guard let stored = table.objects[key], filter.matches(key, stored.value) else { continue }
            if limit > 0, chosen.count == limit {
                remaining += 1
                continue
            }
            chosen.append(stored)
            last = key
        }
        var metadata: JSONValue = ["resourceVersion": .string(String(listVersion))]
        if remaining > 0, let last {
            metadata["continue"] = .string(ContinueToken(version: listVersion, after: last).text)
            if filter.labels == nil, filter.fields == nil { metadata["remainingItemCount"] = .integer(remaining) }
        }
        if TablePrinter.isWanted(request.accept) {
            var printed = TablePrinter.table(chosen.map(\.value), kind: target.kind, version: listVersion, now: now)
            printed["metadata"] = metadata
            return .json(printed)
        }
        var output = Array(
            "{\"kind\":\"\(target.kind.kind)List\",\"apiVersion\":\"\(target.kind.groupVersion)\",\"metadata\":".utf8)
        output.append(contentsOf: metadata.bytes)
        output.append(contentsOf: ",\"items\":[".utf8)
        output.reserveCapacity(output.count + chosen.reduce(2) { $0 + $1.bytes.count + 1 })
        for (index, stored) in chosen.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            output.append(contentsOf: stored.bytes)
        }
        output.append(contentsOf: "]}".utf8)
        return .body(status: 200, bytes: output)
    }

    /// The keys an index already knows to be the only ones that can match.
    private func candidates(_ kind: ResourceKind, _ filter: ObjectFilter) -> [ObjectKey]? {
        guard kind.id == "pods" else { return nil }
        if let node = filter.fields?.required("spec.nodeName"), !node.isEmpty {
            return (podsByNode[node] ?? []).sorted()
        }
        return filter.namespace.map { (podsByNamespace[$0] ?? []).sorted() }
    }

    func watch(_ request: KubernetesRequest, _ target: Target) throws -> KubernetesReply {
        guard !target.kind.isComputed else { throw APIStatus.methodNotAllowed() }
        let filter = try ObjectFilter(request, kind: target.kind, namespace: target.namespace)
        guard var table = tables[target.kind.id] else { throw APIStatus.noSuchPath }
        let start = request.query["resourceVersion"].flatMap { Int($0) } ?? 0
        watchCount += 1
        let (changes, continuation) = AsyncStream.makeStream(
            of: WatchSignal.self, bufferingPolicy: .bufferingOldest(ObjectTable.historyMax))
        var session = WatchSession(
            id: watchCount, table: target.kind.id, initial: [], changes: changes, filter: filter,
            kind: target.kind, printsTables: TablePrinter.isWanted(request.accept))
        if start == 0 {
            for key in table.sortedKeys() {
                guard let stored = table.objects[key], filter.matches(key, stored.value) else { continue }
                session.initial.append(session.line("ADDED", stored))
            }
        } else if start < table.forgottenVersion {
            let status = APIStatus.gone("too old resource version: \(start) (\(table.forgottenVersion))")
            session.initial = [WatchSession.line("ERROR", status.json.bytes)]
            continuation.finish()
            return .watch(session)
        } else {
            session.initial = table.history.filter { $0.object.version > start }.compactMap(session.line)
        }
        let seconds = request.query["timeoutSeconds"].flatMap { Double($0) } ?? 1800
        table.watchers[session.id] = Watcher(
            continuation: continuation,
            sendsBookmarks: ["true", "1"].contains(request.query["allowWatchBookmarks"] ?? ""),
            end: Date().addingTimeInterval(seconds))
        tables[target.kind.id] = table
        return .watch(session)
    }

    func endWatch(id: Int, table: String) {
        tables[table]?.watchers.removeValue(forKey: id)?.continuation.finish()
    }

    /// Sends bookmarks to the watches that want them and ends those whose time is over.
    func tendWatches() {
        let now = Date()
        for (id, table) in tables {
            for (watch, watcher) in table.watchers {
                let isOver = watcher.end <= now
                if watcher.sendsBookmarks { watcher.continuation.yield(.bookmark(version: version)) }
                if isOver { endWatch(id: watch, table: id) }
            }
        }
    }
}

/// Where a paged list goes on.
struct ContinueToken {
    var version: Int
    var after: ObjectKey

    init(version: Int, after: ObjectKey) {
        self.version = version
        self.after = after
    }

    /// - Throws: `APIStatus` 400 for a token that was not made here.
    init(_ text: String) throws {
        guard let data = Data(base64Encoded: text), let json = try? JSONValue(parsing: Array(data)),
            let version = json["v"].int,
            let namespace = json["n"].string, let name = json["k"].string
        else { throw APIStatus.badRequest("continue key is not valid") }
        self.init(version: version, after: ObjectKey(namespace: namespace, name: name))
    }

    var text: String {
        let json: JSONValue = ["v": .integer(version), "n": .string(after.namespace), "k": .string(after.name)]
        return Data(json.bytes).base64EncodedString()
    }
}

extension Array {
    /// First index for which the predicate holds, given that it holds for all later ones.
    func partitioningIndex(where predicate: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if predicate(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
