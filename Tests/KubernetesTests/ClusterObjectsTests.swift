import Foundation
import HTTPClient
import Infrastructure
import Testing

@testable import Kubernetes

@Suite("Whole lists of a cluster")
struct ClusterObjectsTests {
    private let now = Date(timeIntervalSince1970: 1_800_000_000)

    private func list(_ items: [String], next: String = "", version: String = "7") -> RecordedServer.Step {
        .answer(
            200,
            #"{"metadata":{"resourceVersion":"\#(version)","continue":"\#(next)"},"items":[\#(items.joined(separator: ","))]}"#
        )
    }

    @Test("one list that cannot be read spoils no other, and each says how far it got")
    func readings() async throws {
        let server = RecordedServer([
            // In the order of their names.
            .answer(403, statusJSON("Forbidden", "deployments is forbidden")),
            list([#"{"metadata":{"name":"a"}}"#], next: "x"), list([#"{"metadata":{"name":"b"}}"#]),
            list([
                #"{"metadata":{"name":"good","namespace":"n"},"spec":{"containers":[]}}"#,
                #"{"metadata":{"name":"bad","namespace":"n"},"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"planted"}}}]}}"#,
            ]),
            .answer(404, "404 page not found"),
        ])
        let objects = try await server.cluster().objects([.deployments, .nodes, .pods, .scaledObjects], now: now)
        #expect(objects.readings.map(\.list) == [.deployments, .nodes, .pods, .scaledObjects])
        #expect(objects.readings.map(\.outcome) == [.forbidden, .complete, .partial, .absent])
        #expect(objects.nodes.map(\.name) == ["a", "b"] && objects.pods.map(\.name) == ["good"])
        let pods = try #require(objects.reading(.pods))
        #expect(pods.unreadable == 1 && pods.count == 1 && pods.resourceVersion == "7" && pods.readAt == now)
        #expect(pods.problem.contains("cpu: not a Kubernetes quantity") && !pods.problem.contains("planted"))
        #expect(objects.isComplete([.nodes, .scaledObjects]))
        #expect(objects.incomplete([.nodes, .pods, .deployments, .services]) == [.deployments, .pods, .services])
    }

    @Test("a credential that is refused is no reading but an error")
    func unauthorized() async throws {
        let server = RecordedServer([.answer(401, statusJSON("Unauthorized", "no"))])
        let error = await #expect(throws: FarSideError.self) {
            _ = try await server.cluster().objects([.nodes], now: now)
        }
        #expect(error?.code == .unauthorized)
    }

    @Test("an API server that cannot be reached, or fails for every list, is an error: its circuit must see it")
    func unreachable() async throws {
        let silent = RecordedServer([RecordedServer.Step](repeating: .fail(.cannotConnect, reached: false), count: 4))
        let error = await #expect(throws: FarSideError.self) {
            _ = try await silent.cluster().objects([.nodes, .pods], now: now)
        }
        #expect(error?.code == .network && silent.left == 0)
        let failing = RecordedServer([RecordedServer.Step](repeating: .answer(500), count: 8))
        let fault = await #expect(throws: FarSideError.self) {
            _ = try await failing.cluster().objects([.nodes, .pods], now: now)
        }
        #expect(fault?.code == .fault)
        // The metrics are another server's, behind the API server.
        let metrics = RecordedServer([RecordedServer.Step](repeating: .answer(503), count: 4))
        let objects = try await metrics.cluster().objects([.usage], now: now)
        #expect(objects.reading(.usage)?.outcome == .failed)
    }

    @Test("budgets come by policy/v1 and from an older server by policy/v1beta1, where an empty selector covers no pod")
    func budgets() async throws {
        let items = [
            #"{"metadata":{"name":"all","namespace":"n"},"spec":{"selector":{},"maxUnavailable":0}}"#,
            #"{"metadata":{"name":"web","namespace":"n"},"spec":{"selector":{"matchLabels":{"app":"web"}},"unhealthyPodEvictionPolicy":"AlwaysAllow"},"status":{"disruptionsAllowed":1,"expectedPods":3,"currentHealthy":3,"desiredHealthy":2}}"#,
        ]
        let today = RecordedServer([list(items)])
        let budgets = try await today.cluster().budgets()
        #expect(budgets.map(\.name) == ["all", "web"] && budgets[0].blocksForever && !budgets[1].blocksForever)
        #expect(budgets[1].alwaysAllowsUnhealthy && budgets[1].expectedPods == 3 && budgets[1].desiredHealthy == 2)
        let old = RecordedServer([.answer(404, "404 page not found"), list(items)])
        #expect(try await old.cluster().budgets().map(\.name) == ["web"])
        #expect(old.requests[1].url.contains("/apis/policy/v1beta1/poddisruptionbudgets"))
    }

    @Test("a budget whose selector we do not understand makes its list partial, for it may cover any pod")
    func unknownSelector() async throws {
        let server = RecordedServer([
            list([
                #"{"metadata":{"name":"b"},"spec":{"selector":{"matchExpressions":[{"key":"a","operator":"Near"}]}}}"#
            ])
        ])
        let objects = try await server.cluster().objects([.budgets], now: now)
        #expect(objects.reading(.budgets)?.outcome == .partial && objects.budgets.isEmpty)
    }

    @Test("five thousand pods come in pages and leave nothing wide behind")
    func manyPods() async throws {
        let steps = (0..<10).map { page in
            list(
                (0..<500).map { index in
                    #"{"metadata":{"name":"p\#(page)-\#(index)","namespace":"n","annotations":{"x":"\#(String(repeating: "y", count: 2_000))"}},"spec":{"containers":[{"name":"c","image":"planted-image"}]}}"#
                }, next: page < 9 ? "t\(page)" : "")
        }
        let server = RecordedServer(steps)
        let objects = try await server.cluster().objects([.pods], now: now)
        #expect(objects.pods.count == 5_000 && server.left == 0)
        #expect(objects.pods.allSatisfy { $0.annotations.isEmpty && $0.containers.map(\.name) == ["c"] })
    }

    @Test(
        "a duration of Go is read, and anything else is not",
        arguments: [("15s", 15.0), ("1m5.5s", 65.5), ("0", 0), ("500ms", 0.5), ("", nil), ("s", nil), ("1", nil)])
    func durations(_ text: String, _ seconds: Double?) { #expect(GoDuration.seconds(text) == seconds) }
}
