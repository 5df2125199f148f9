/// ClientToken idempotency, as EC2 keeps it: one execution per token; other parameters are a mismatch.
struct LaunchLedger {
    struct Launch {
        var fingerprint: String
        var instanceIDs: [String]
        var reply: ServerReply
        /// How often the answer was given without acting again.
        var replays = 0
    }

    enum Verdict {
        case execute
        case replay(Launch)
        case wait
        case mismatch
    }

    private(set) var launches: [String: Launch] = [:]
    private var running: [String: String] = [:]
    private var waiting: [String: [CheckedContinuation<Void, Never>]] = [:]

    static func key(_ call: AWSCall, account: String, token: String) -> String {
        [account, call.region, call.action, token].joined(separator: "/")
    }

    /// What makes two requests the same: everything but the token and what signing adds.
    static func fingerprint(_ call: AWSCall) -> String {
        FormEncoding.encode(call.parameters.filter { $0.key != "ClientToken" && !$0.key.hasPrefix("X-Amz-") })
    }

    mutating func begin(_ key: String, fingerprint: String) -> Verdict {
        if let launch = launches[key] {
            guard launch.fingerprint == fingerprint else { return .mismatch }
            launches[key]?.replays += 1
            return .replay(launch)
        }
        if let present = running[key] { return present == fingerprint ? .wait : .mismatch }
        running[key] = fingerprint
        return .execute
    }

    mutating func wait(_ key: String, _ continuation: CheckedContinuation<Void, Never>) {
        guard running[key] != nil else {
            continuation.resume()
            return
        }
        waiting[key, default: []].append(continuation)
    }

    /// - Parameter launch: nil when nothing was launched: the token stays free, as with EC2's refusals.
    mutating func end(_ key: String, launch: Launch?) {
        if let launch { launches[key] = launch }
        running[key] = nil
        for continuation in waiting.removeValue(forKey: key) ?? [] { continuation.resume() }
    }
}
