import Synchronization

/// What a test waited for and never saw.
package struct NeverCame: Error, CustomStringConvertible {
    package let description: String
}

/// What is shown beside a thing that never came: the output of child processes, for one.
package enum Evidence {
    private static let source = Mutex<@Sendable () -> String>({ "" })

    /// From now on shown with every failure to wait.
    package static func set(_ gather: @escaping @Sendable () -> String) { source.withLock { $0 = gather } }

    static var text: String { source.withLock { $0 }() }
}

/// How much longer than on a quiet machine everything may take: a limit says when to give up, not how fast a thing must be.
private let patience = 4

/// Asks again until there is an answer; at four times the limit the test fails and says what never came.
@discardableResult
package func eventually<Value>(
    _ what: String, within limit: Duration = .seconds(30), isolation: isolated (any Actor)? = #isolation,
    fileID: String = #fileID, line: Int = #line, _ probe: () async throws -> Value?
) async throws -> Value {
    let limit = limit * patience
    let end = ContinuousClock.now + limit
    while true {
        if let value = try await probe() { return value }
        guard ContinuousClock.now < end else {
            throw NeverCame(description: "never within \(limit): \(what) (\(fileID):\(line))\n\(Evidence.text)")
        }
        try await Task.sleep(for: .milliseconds(10))
    }
}

/// Asks again until it holds.
package func eventually(
    _ what: String, within limit: Duration = .seconds(30), isolation: isolated (any Actor)? = #isolation,
    fileID: String = #fileID, line: Int = #line, _ condition: () async throws -> Bool
) async throws {
    try await eventually(what, within: limit, fileID: fileID, line: line) { try await condition() ? true : nil }
}
