import Foundation
import HTTPClient
import Logging
import Synchronization

@testable import Kubernetes

/// Answers requests from a list, and keeps what was asked. Its clock moves only when the client sleeps.
final class RecordedServer: Sendable {
    enum Step: Sendable {
        case answer(Int, String = "{}", [String: String] = [:])
        case fail(HTTPError.Code, reached: Bool)
    }
    struct State {
        var steps: [Step]
        var requests: [HTTPRequest] = []
        var slept: [Duration] = []
        var now = ContinuousClock.now
    }

    let state: Mutex<State>
    static let token = "planted-token-7f3a"

    init(_ steps: [Step]) { state = Mutex(State(steps: steps)) }

    var requests: [HTTPRequest] { state.withLock { $0.requests } }
    var slept: [Duration] { state.withLock { $0.slept } }
    var left: Int { state.withLock { $0.steps.count } }
    var now: ContinuousClock.Instant { state.withLock { $0.now } }

    func client(_ limits: ClientLimits = ClientLimits()) throws -> KubernetesClient {
        let connection = try ClusterConnection(
            endpoint: "https://api.test:6443/k8s", authorityPEM: KubeconfigTests.authority,
            credential: .token(Self.token))
        let time = MachineTime(
            now: { self.now },
            sleep: { duration in
                try Task.checkCancellation()
                self.state.withLock { state in
                    state.slept.append(duration)
                    state.now += duration
                }
            }, jitter: { 1 })
        return KubernetesClient(
            connection: connection, egress: .customerNamed(allowed: []), limits: limits, time: time
        ) { request in
            let step = self.state.withLock { state -> Step? in
                state.requests.append(request)
                return state.steps.isEmpty ? nil : state.steps.removeFirst()
            }
            switch step {
            case .answer(let status, let body, let headers):
                guard body.utf8.count <= request.responseBytesMax else { throw HTTPError(.tooLarge, "over the limit") }
                return HTTPResponse(
                    status: status, headers: headers.map { (name: $0.key, value: $0.value) }, body: Array(body.utf8))
            case .fail(let code, let reached): throw HTTPError(code, "it broke", mayHaveReachedServer: reached)
            case nil: throw HTTPError(.network, "the recording is over", mayHaveReachedServer: true)
            }
        }
    }

    func cluster() throws -> RemoteCluster {
        RemoteCluster(try client(), now: { Date(timeIntervalSince1970: 1_800_000_000) }, logger: Logger(label: "test"))
    }

    /// Bodies of the requests, as JSON.
    var bodies: [JSONValue] {
        get throws {
            try requests.map { request in
                guard let body = request.body else { return .null }
                return try JSONDecoder().decode(JSONValue.self, from: Data(body))
            }
        }
    }
}

/// A `Status` as the API server writes it.
func statusJSON(_ reason: String, _ message: String, details: String = "{}") -> String {
    """
    {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","reason":"\(reason)","message":"\(message)",
    "details":\(details)}
    """
}
