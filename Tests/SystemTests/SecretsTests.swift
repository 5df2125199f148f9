import Foundation
import HTTPClient
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// Snapshots are an allow-list: what stands in a customer's pods beyond it is never stored, logged or printed.
    @Suite("Secrets of customers", .fleet(clusters: ["blue"], nodes: 3, pods: 6, environment: FleetPlan.impatient))
    struct SecretsTests {
        @Test("A secret in every text of a pod and its node is found nowhere in the database, the logs or the outputs")
        func podSecrets() async throws {
            let fleet = try Fleet.current
            let world = try fleet.world
            let cluster = fleet.cluster("blue")
            let secret = "hunter2-\(UUID().uuidString.lowercased())"
            // On every node, so that the warned one carries it.
            let nodes = try await world.state().nodes(of: cluster)
            for (number, node) in nodes.enumerated() {
                let answer = try await world.kubernetes(
                    "POST", cluster, "/api/v1/namespaces/default/pods",
                    pod(named: "secretive-\(number)", on: node.node, secret))
                try #require(answer.status == 201, "\(String(decoding: answer.body, as: UTF8.self))")
                let patch = "{\"metadata\":{\"annotations\":{\"example.com/note\":\"\(secret)\"}}}"
                let patched = try await world.kubernetes(
                    "PATCH", cluster, "/api/v1/nodes/\(node.node)", patch, type: "application/merge-patch+json")
                try #require(patched.status == 200)
            }
            let added = try await fleet.add("blue", tenant: "acme")
            let roles = try [
                fleet.start(["scheduler"], environment: ["LOG_LEVEL": "trace"]),
                fleet.start(["worker"], environment: ["LOG_LEVEL": "trace"]),
            ]
            for role in roles { _ = try await Fleet.port(of: role) }
            try await fleet.awaitIndex("blue", nodes: 3)
            let warned = try #require(try await world.interrupt(cluster).first)
            try await eventually("the secretive pod was evicted", within: .seconds(60)) {
                try await world.state().node(warned.instanceID)?.drainedAt != nil
            }
            #expect(try await fleet.number("SELECT count(*) FROM effect_log WHERE key LIKE 'evict/%'") > 0)

            var written = added.output + added.errors + fleet.everythingWritten
            for command in [
                ["jobs", "list"], ["clusters", "list"], ["clusters", "check", cluster], ["queues"], ["schedules"],
                ["workers"], ["report", cluster],
            ] {
                let answer = try await fleet.run(command + ["--output", "json"])
                written += answer.output + answer.errors
            }
            for command in [["snapshot", cluster], ["snapshot", cluster, "--anonymise"], ["report", cluster]] {
                let answer = try await fleet.succeed(command)
                #expect(answer.output.contains(command[0] == "report" ? "## Nodes" : "us-east-1"), "\(command)")
                written += answer.output + answer.errors
            }
            for row in try await fleet.rows("SELECT id FROM job_status") {
                let answer = try await fleet.run(["jobs", "show", try row.uuid(0).description, "--output", "json"])
                written += answer.output + answer.errors
            }
            #expect(
                try await fleet.occurrences(of: warned.instanceID).contains("interruption"),
                "the search finds what is there")
            #expect(try await fleet.occurrences(of: secret) == [])
            #expect(!written.contains(secret))

            // Our own: the cluster's token and the key that seals it.
            let token = "\(cluster)-act"
            let key = try #require(fleet.environment["SEALING_KEY"]?.dropFirst(3))
            for own in [token, String(key)] {
                #expect(try await fleet.occurrences(of: own) == [], "\(own)")
                #expect(!written.contains(own))
            }
        }

        private func pod(named name: String, on node: String, _ secret: String) -> String {
            """
            {"apiVersion":"v1","kind":"Pod",
             "metadata":{"name":"\(name)","namespace":"default","labels":{"app":"secretive","note":"\(secret)"},
              "annotations":{"example.com/secret":"\(secret)","kubectl.kubernetes.io/last-applied-configuration":"\(secret)"}},
             "spec":{"nodeName":"\(node)","terminationGracePeriodSeconds":1,"hostname":"\(secret)","subdomain":"\(secret)",
              "hostAliases":[{"ip":"10.0.0.1","hostnames":["\(secret)"]}],
              "imagePullSecrets":[{"name":"\(secret)"}],"serviceAccountName":"\(secret)",
              "initContainers":[{"name":"init","image":"busybox:\(secret)","command":["sh","-c","\(secret)"],
               "env":[{"name":"TOKEN","value":"\(secret)"}]}],
              "containers":[{"name":"main","image":"registry.example.com/\(secret):1","command":["run","--password=\(secret)"],
               "args":["\(secret)"],"workingDir":"/\(secret)","terminationMessagePath":"/\(secret)",
               "env":[{"name":"PASSWORD","value":"\(secret)"},
                {"name":"REF","valueFrom":{"secretKeyRef":{"name":"\(secret)","key":"\(secret)"}}}],
               "envFrom":[{"secretRef":{"name":"\(secret)"}}],
               "ports":[{"containerPort":80,"name":"http"}],
               "livenessProbe":{"httpGet":{"path":"/\(secret)","port":80,"httpHeaders":[{"name":"Authorization","value":"\(secret)"}]}},
               "lifecycle":{"preStop":{"exec":{"command":["\(secret)"]}}},
               "volumeMounts":[{"name":"v","mountPath":"/\(secret)"}],
               "resources":{"requests":{"cpu":"10m","memory":"16Mi"}}}],
              "volumes":[{"name":"v","secret":{"secretName":"\(secret)"}},
               {"name":"w","configMap":{"name":"\(secret)"}},{"name":"x","hostPath":{"path":"/\(secret)"}}]}}
            """
        }
    }
}
