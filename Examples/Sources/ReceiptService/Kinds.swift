import JobQueue

/// The kinds of jobs of a small shop. They could as well be YAML files (`JobSpecFile.load(directory:)`).
enum Kinds {
    /// Mails a receipt. One mail for each order, whatever happens: the key is the order's.
    static let receipt = JobSpec(
        kind: "send-receipt", summary: "Mails the receipt of an order.", lane: .work,
        parameters: ["order": .init(type: .integer, required: true)], timeoutSeconds: 30,
        retries: RetryPolicy(attemptsMax: 5, firstSeconds: 0.1, factor: 2, maxSeconds: 60),
        limit: .init(key: "mail", max: 4), key: .init(template: "receipt/${parameters.order}", releaseSeconds: 86_400))

    /// Counts orders, page by page; a crash resumes at the last page.
    static let count = JobSpec(
        kind: "count-orders", summary: "Counts the orders of a day.", lane: .data, timeoutSeconds: 300)

    /// Every second, once, however many schedulers run.
    static let heartbeat = JobSpec(
        kind: "heartbeat", summary: "Says that the shop is open.", lane: .data, schedule: Schedule(.every(seconds: 1)),
        timeoutSeconds: 10)

    static let all = [receipt, count, heartbeat]
}
