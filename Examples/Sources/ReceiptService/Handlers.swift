import JobQueue

/// Sends a mail exactly once: the effect's intent is committed before the call, and its token is the same for every try.
struct SendReceipt: Handler {
    struct Parameters: Decodable { var order: Int }
    let mail: MailServer

    func run(_ context: HandlerContext) async throws -> Outcome {
        let order = try context.job.parameters.decode(Parameters.self).order
        let intent = EffectIntent(
            key: "receipt/\(order)", step: "mail", effectClass: .token,
            request: try JSONText(encoding: ["order": order]))
        let answer = try await context.effect(intent) { call in
            try await mail.send(order: order, token: call.token)
            return try JSONText(encoding: ["sent": true])
        }
        context.log("order \(order): mailed")
        return Outcome(result: answer)
    }
}

/// Works in steps: each page's sum is saved with its cursor, so that no page is counted twice.
struct CountOrders: Handler {
    struct Checkpoint: Codable {
        var page = 0
        var orders = 0
    }
    static let pages = 5

    func run(_ context: HandlerContext) async throws -> Outcome {
        var done = try context.job.checkpoint?.decode(Checkpoint.self) ?? Checkpoint()
        while done.page < Self.pages {
            done.page += 1
            done.orders += 20
            try await context.save(
                checkpoint: try JSONText(encoding: done),
                progress: JobProgress(done: done.page, total: Self.pages, note: "pages"))
        }
        return Outcome(result: try JSONText(encoding: ["orders": done.orders]))
    }
}

/// Does nothing that is worth a row in the history.
struct Heartbeat: Handler {
    let beats: Beats
    func run(_ context: HandlerContext) async throws -> Outcome {
        await beats.add()
        return Outcome(isEmpty: true)
    }
}

/// How often the shop said that it is open.
actor Beats {
    private(set) var count = 0
    func add() { count += 1 }
}

/// A mail server that fails every third time before it takes a mail, and drops mails whose token it has seen.
actor MailServer {
    private var calls = 0
    private var tokens: Set<String> = []
    private(set) var sent: [Int] = []

    struct Busy: Error {}

    func send(order: Int, token: String) throws {
        calls += 1
        if calls % 3 == 0 { throw Busy() }
        if tokens.insert(token).inserted { sent.append(order) }
    }
}
