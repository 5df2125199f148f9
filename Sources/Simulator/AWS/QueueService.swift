import Foundation

/// SQS, standard queues over the JSON protocol, in memory. Moto copies the whole queue for every message it hands out, so
/// that a queue of thousands takes it minutes; a customer's queue must not be what a measurement of the fleet measures.
/// Not here: FIFO queues, delays, message attributes, permissions.
actor QueueService {
    /// As AWS limits a message and a batch, in bytes.
    static let bytesMax = 1_048_576
    /// As AWS limits a batch.
    static let entriesMax = 10

    private var queues: [String: Queue] = [:]

    /// Forgets every queue.
    func reset() {
        for queue in queues.values { for listener in queue.listeners.values { listener.resume() } }
        queues = [:]
    }

    /// Answers one call of the JSON protocol.
    /// - Parameter address: where clients reach this endpoint, for queue URLs.
    /// - Throws: `AWSError` with the code that SQS gives.
    func answer(_ call: AWSCall, account: String, address: String) async throws -> JSONValue {
        let body = call.json
        switch call.action {
        case "CreateQueue":
            let url = try create(
                body["QueueName"].string ?? "", account: account, region: call.region, address: address,
                attributes: body["Attributes"].strings)
            return ["QueueUrl": .string(url)]
        case "GetQueueUrl":
            let path = "/\(body["QueueOwnerAWSAccountId"].string ?? account)/\(body["QueueName"].string ?? "")"
            return ["QueueUrl": .string(address + (try queue(at: path).path))]
        case "ListQueues":
            let prefix = body["QueueNamePrefix"].string ?? ""
            let own = queues.values.filter {
                $0.account == account && $0.region == call.region && $0.name.hasPrefix(prefix)
            }
            return ["QueueUrls": .array(own.map(\.path).sorted().map { .string(address + $0) })]
        default: break
        }
        let path = try queue(at: Self.path(body["QueueUrl"])).path
        switch call.action {
        case "SendMessage":
            let id = try send([try Self.text(of: body)], to: path)[0]
            return ["MessageId": .string(id)]
        case "SendMessageBatch": return try sendBatch(body, to: path)
        case "ReceiveMessage": return try await receive(body, from: path)
        case "DeleteMessage":
            try delete(body["ReceiptHandle"], from: path)
            return [:]
        case "DeleteMessageBatch": return try batch(body) { try delete($0["ReceiptHandle"], from: path) }
        case "ChangeMessageVisibility":
            try hide(body, in: path)
            return [:]
        case "ChangeMessageVisibilityBatch": return try batch(body) { try hide($0, in: path) }
        case "GetQueueAttributes": return ["Attributes": JSONValue(strings: attributes(of: path, body))]
        case "SetQueueAttributes":
            queues[path]?.attributes.merge(body["Attributes"].strings) { $1 }
            return [:]
        case "PurgeQueue":
            queues[path]?.messages = [:]
            return [:]
        case "DeleteQueue":
            for listener in queues.removeValue(forKey: path)?.listeners.values.map({ $0 }) ?? [] { listener.resume() }
            return [:]
        default:
            throw AWSError(
                status: 400, code: "UnsupportedOperation", message: "the simulator's SQS has no \(call.action)")
        }
    }

    // MARK: Queues

    /// Makes a queue, or finds the one of the same name and attributes.
    /// - Returns: its URL.
    func create(
        _ name: String, account: String, region: String, address: String, attributes: [String: String]
    ) throws -> String {
        let isAllowed = name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_".contains($0)) }
        guard (1...80).contains(name.utf8.count), isAllowed else {
            throw Self.invalid("QueueName", "1 to 80 alphanumeric characters, hyphens or underscores")
        }
        let queue = Queue(
            account: account, region: region, name: name, attributes: attributes, createdAt: Date())
        guard let old = queues[queue.path] else {
            queues[queue.path] = queue
            return address + queue.path
        }
        guard attributes.allSatisfy({ old.attributes[$0.key] == $0.value }) else {
            throw AWSError(status: 400, code: "QueueNameExists", message: "A queue of this name has other attributes.")
        }
        return address + queue.path
    }

    private func queue(at path: String) throws -> Queue {
        guard let queue = queues[path] else {
            throw AWSError(
                status: 400, code: "QueueDoesNotExist", message: "The specified queue does not exist.")
        }
        return queue
    }

    /// `/<account>/<name>` of a queue's URL, whatever its host.
    private static func path(_ url: JSONValue) -> String {
        "/" + (url.string ?? "").split(separator: "/").suffix(2).joined(separator: "/")
    }

    private func attributes(of path: String, _ body: JSONValue) -> [String: String] {
        guard let queue = queues[path] else { return [:] }
        let hidden = queue.messages.values.count { $0.hiddenUntil != nil }
        var all = queue.attributes
        all["ApproximateNumberOfMessages"] = String(queue.messages.count - hidden)
        all["ApproximateNumberOfMessagesNotVisible"] = String(hidden)
        all["ApproximateNumberOfMessagesDelayed"] = "0"
        all["QueueArn"] = queue.arn
        all["CreatedTimestamp"] = String(Int(queue.createdAt.timeIntervalSince1970))
        all["VisibilityTimeout"] = String(Self.seconds(queue.attributes["VisibilityTimeout"], default: 30))
        let wanted = body["AttributeNames"].array.compactMap(\.string)
        return wanted.contains("All") ? all : all.filter { wanted.contains($0.key) }
    }

    private static func seconds(_ text: String?, default value: Int) -> Int { text.flatMap { Int($0) } ?? value }

    private static func invalid(_ name: String, _ reason: String) -> AWSError {
        AWSError(
            status: 400, code: "InvalidParameterValue",
            message: "Value for parameter \(name) is invalid. Reason: \(reason).")
    }

    // MARK: Sending

    private static func text(of entry: JSONValue) throws -> String {
        guard let text = entry["MessageBody"].string, !text.isEmpty else {
            throw AWSError(
                status: 400, code: "MissingParameter", message: "The request must contain the parameter MessageBody.")
        }
        guard text.utf8.count <= bytesMax else {
            throw invalid(
                "MessageBody", "One or more parameters are invalid. Message must be shorter than \(bytesMax) bytes")
        }
        // What XML 1.0 cannot carry, SQS does not take.
        let isClean = text.unicodeScalars.allSatisfy {
            $0 == "\t" || $0 == "\n" || $0 == "\r" || ($0.value >= 0x20 && $0.value != 0xFFFE && $0.value != 0xFFFF)
        }
        guard isClean else {
            throw AWSError(
                status: 400, code: "InvalidMessageContents",
                message: "Invalid characters were found in the message body.")
        }
        return text
    }

    /// Puts texts into a queue.
    /// - Returns: their ids.
    @discardableResult
    func send(_ texts: [String], to url: String) throws -> [String] {
        let path = Self.path(.string(url))
        _ = try queue(at: path)
        let now = Date()
        let ids = texts.map { _ in UUID().uuidString.lowercased() }
        for (id, text) in zip(ids, texts) {
            queues[path]?.messages[id] = Message(id: id, body: text, sentAt: now)
            queues[path]?.waiting.append(id)
        }
        wake(path)
        return ids
    }

    private func sendBatch(_ body: JSONValue, to path: String) throws -> JSONValue {
        let size = body["Entries"].array.reduce(0) { $0 + ($1["MessageBody"].string ?? "").utf8.count }
        guard size <= Self.bytesMax else {
            throw AWSError(
                status: 400, code: "BatchRequestTooLong",
                message: "Batch requests cannot be longer than \(Self.bytesMax) bytes.")
        }
        return try batch(body) { entry in
            ["MessageId": .string(try send([try Self.text(of: entry)], to: path)[0])]
        }
    }

    /// Carries out each entry; a refusal is the entry's own.
    private func batch(_ body: JSONValue, _ change: (JSONValue) throws -> JSONValue) throws -> JSONValue {
        let entries = body["Entries"].array
        let ids = entries.compactMap { $0["Id"].string }
        guard !entries.isEmpty else {
            throw AWSError(
                status: 400, code: "EmptyBatchRequest", message: "There should be at least one entry in the request.")
        }
        guard entries.count <= Self.entriesMax else {
            throw AWSError(
                status: 400, code: "TooManyEntriesInBatchRequest",
                message: "Maximum number of entries per request are \(Self.entriesMax). You have sent \(entries.count)."
            )
        }
        guard Set(ids).count == entries.count else {
            throw AWSError(
                status: 400, code: "BatchEntryIdsNotDistinct", message: "Two or more batch entries have the same Id.")
        }
        var done: [JSONValue] = []
        var failed: [JSONValue] = []
        for (id, entry) in zip(ids, entries) {
            do {
                var answer = try change(entry)
                answer["Id"] = .string(id)
                done.append(answer)
            } catch let error as AWSError {
                failed.append([
                    "Id": .string(id), "SenderFault": true, "Code": .string(error.code),
                    "Message": .string(error.message),
                ])
            }
        }
        return ["Successful": .array(done), "Failed": failed.isEmpty ? .null : .array(failed)]
    }

    private func batch(_ body: JSONValue, _ change: (JSONValue) throws -> Void) throws -> JSONValue {
        try batch(body) { entry -> JSONValue in
            try change(entry)
            return [:]
        }
    }

    // MARK: Receiving

    private func receive(_ body: JSONValue, from path: String) async throws -> JSONValue {
        let most = body["MaxNumberOfMessages"].int ?? 1
        guard (1...10).contains(most) else {
            throw Self.invalid("MaxNumberOfMessages", "Must be between 1 and 10, if provided")
        }
        let attributes = try queue(at: path).attributes
        let wait = body["WaitTimeSeconds"].int ?? Self.seconds(attributes["ReceiveMessageWaitTimeSeconds"], default: 0)
        guard (0...20).contains(wait) else {
            throw Self.invalid("WaitTimeSeconds", "Must be >= 0 and <= 20, if provided")
        }
        let visibility = body["VisibilityTimeout"].int ?? Self.seconds(attributes["VisibilityTimeout"], default: 30)
        guard (0...43_200).contains(visibility) else { throw Self.invalid("VisibilityTimeout", "Must be 0 to 43200") }
        let end = Date() + Double(wait)
        while queues[path] != nil {
            let found = take(most, from: path, visibility: visibility)
            if !found.isEmpty { return ["Messages": .array(found)] }
            guard end > Date() else { break }
            await somethingNew(in: path, until: end)
        }
        return [:]
    }

    private func take(_ most: Int, from path: String, visibility: Int) -> [JSONValue] {
        // Out of its place: so it is changed without a copy.
        guard var queue = queues.removeValue(forKey: path) else { return [] }
        defer { queues[path] = queue }
        let now = Date()
        let retention = Double(Self.seconds(queue.attributes["MessageRetentionPeriod"], default: 345_600))
        var found: [JSONValue] = []
        var ids: [String] = []
        while found.count < most, queue.taken < queue.waiting.count {
            let id = queue.waiting[queue.taken]
            queue.taken += 1
            guard var message = queue.messages[id], message.hiddenUntil == nil else { continue }
            guard now.timeIntervalSince(message.sentAt) < retention else {
                queue.messages[id] = nil
                continue
            }
            message.receives += 1
            message.hiddenUntil = now + Double(visibility)
            message.firstReceivedAt = message.firstReceivedAt ?? now
            queue.messages[id] = message
            ids.append(id)
            found.append(Self.json(message))
        }
        if queue.taken > 1000, queue.taken * 2 > queue.waiting.count {
            queue.waiting.removeFirst(queue.taken)
            queue.taken = 0
        }
        if !ids.isEmpty { showAgain(ids, in: path, after: Double(visibility)) }
        return found
    }

    private static func json(_ message: Message) -> JSONValue {
        func milliseconds(_ date: Date?) -> JSONValue {
            .string(String(Int64((date ?? message.sentAt).timeIntervalSince1970 * 1000)))
        }
        return [
            "MessageId": .string(message.id), "ReceiptHandle": .string("\(message.id)#\(message.receives)"),
            "Body": .string(message.body),
            "Attributes": [
                "ApproximateReceiveCount": .string(String(message.receives)),
                "SentTimestamp": milliseconds(message.sentAt),
                "ApproximateFirstReceiveTimestamp": milliseconds(message.firstReceivedAt),
            ],
        ]
    }

    /// Waits for a message or for the end.
    private func somethingNew(in path: String, until end: Date) async {
        let id = UUID()
        let timer = Task { [weak self] in
            try await Task.sleep(for: .seconds(max(0, end.timeIntervalSinceNow)))
            await self?.wake(path, only: id)
        }
        await withCheckedContinuation { queues[path]?.listeners[id] = $0 }
        timer.cancel()
    }

    private func wake(_ path: String, only id: UUID? = nil) {
        if let id {
            queues[path]?.listeners.removeValue(forKey: id)?.resume()
            return
        }
        let listeners = queues[path]?.listeners ?? [:]
        queues[path]?.listeners = [:]
        for listener in listeners.values { listener.resume() }
    }

    /// Shows messages again once their time is over, unless they were deleted or hidden anew.
    private func showAgain(_ ids: [String], in path: String, after seconds: Double) {
        Task { [weak self] in
            try await Task.sleep(for: .seconds(seconds))
            await self?.show(ids, in: path)
        }
    }

    private func show(_ ids: [String], in path: String) {
        let now = Date()
        var isNew = false
        for id in ids {
            guard let until = queues[path]?.messages[id]?.hiddenUntil, until <= now else { continue }
            queues[path]?.messages[id]?.hiddenUntil = nil
            let limit = queues[path].flatMap(Self.redrive)
            if let limit, (queues[path]?.messages[id]?.receives ?? 0) >= limit.receives, queues[limit.path] != nil {
                if let dead = queues[path]?.messages.removeValue(forKey: id) {
                    queues[limit.path]?.messages[id] = dead
                    queues[limit.path]?.waiting.append(id)
                    wake(limit.path)
                }
                continue
            }
            queues[path]?.waiting.append(id)
            isNew = true
        }
        if isNew { wake(path) }
    }

    /// The dead-letter queue of a redrive policy, and after how many receives a message goes there.
    private static func redrive(_ queue: Queue) -> (path: String, receives: Int)? {
        // What is no policy redrives nothing.
        guard let text = queue.attributes["RedrivePolicy"], let policy = try? JSONValue(parsing: text),
            let arn = policy["deadLetterTargetArn"].string
        else { return nil }
        let parts = arn.split(separator: ":")
        let most = policy["maxReceiveCount"].int ?? policy["maxReceiveCount"].string.flatMap { Int($0) }
        guard parts.count == 6, let most else { return nil }
        return ("/\(parts[4])/\(parts[5])", most)
    }

    /// The message of a receipt; nil: it was deleted already.
    private func message(_ receipt: JSONValue, in path: String) throws -> Message? {
        let parts = (receipt.string ?? "").split(separator: "#")
        guard parts.count == 2, UUID(uuidString: String(parts[0])) != nil, Int(parts[1]) != nil else {
            throw AWSError(
                status: 400, code: "ReceiptHandleIsInvalid",
                message: "The input receipt handle is not a valid receipt handle.")
        }
        return queues[path]?.messages[String(parts[0])]
    }

    private func delete(_ receipt: JSONValue, from path: String) throws {
        if let message = try message(receipt, in: path) { queues[path]?.messages[message.id] = nil }
    }

    private func hide(_ entry: JSONValue, in path: String) throws {
        guard let seconds = entry["VisibilityTimeout"].int, (0...43_200).contains(seconds) else {
            throw Self.invalid("VisibilityTimeout", "Must be 0 to 43200")
        }
        guard let message = try message(entry["ReceiptHandle"], in: path) else { return }
        guard message.hiddenUntil != nil else {
            throw AWSError(status: 400, code: "MessageNotInflight", message: "The message is not in flight.")
        }
        queues[path]?.messages[message.id]?.hiddenUntil = Date() + Double(seconds)
        showAgain([message.id], in: path, after: Double(seconds))
    }
}
