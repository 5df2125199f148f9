import Foundation
import Processes
import Testing
import Yams

@Suite("Kubernetes manifests")
struct KubernetesManifestTests {
    private static let folder = "docker/kubernetes"

    private func manifests() throws -> [String] { try Checkout.files(below: Self.folder, endingWith: ".yaml") }

    private func objects() throws -> [[String: Any]] {
        try manifests().flatMap { file in
            try Yams.load_all(yaml: try Checkout.text(file)).compactMap { $0 as? [String: Any] }
        }
    }

    /// Runs tools/validate-manifests over files.
    private func validate(_ files: [String]) throws -> (status: Int32, text: String) {
        let own = "\(Checkout.root)/.run/venv/bin/python"
        let (status, output) = try ChildProcess.run(
            [
                FileManager.default.isExecutableFile(atPath: own) ? own : "python3", "tools/validate-manifests",
                "Tests/SimulatorTests/Resources/definitions-v1.35.0.json.gz",
                "Tests/TidyTests/Resources/keda-schemas.json",
            ] + files, directory: Checkout.root)
        return (status, String(decoding: output, as: UTF8.self))
    }

    @Test("every object is valid by the definitions of Kubernetes 1.35 or of KEDA, unknown fields included")
    func valid() throws {
        let result = try validate(manifests())
        #expect(result.status == 0, "\(result.text)")
        #expect(result.text.contains("ok docker/kubernetes/autoscaler-keda.yaml: ScaledObject cloudoptim-worker"))
        #expect(try result.text.split(separator: "\n").count == objects().count)
    }

    @Test(
        "what is not valid is noticed",
        arguments: [
            ("worker.yaml", "terminationGracePeriodSeconds:", "terminationGraceSeconds:"),
            ("scheduler.yaml", "replicas: 2", "replicas: two"),
            ("autoscaler-keda.yaml", "valueLocation:", "valuePath:"),
            ("autoscaler-keda.yaml", "targetValue: \"1\"", "targetValue: 1"),
            ("budgets.yaml", "policy/v1", "policy/v9"),
        ])
    func invalid(_ file: String, _ old: String, _ new: String) throws {
        let text = try Checkout.text("\(Self.folder)/\(file)")
        try #require(text.contains(old))
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(
            "co-manifest-\(UUID().uuidString).yaml")
        try text.replacing(old, with: new).write(to: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: path) }  // a file of the machine's temporary folder
        #expect(try validate([path.path]).status == 1)
    }

    @Test(
        "the fleet is whole: two schedulers, workers that drain, budgets, a policy, and two autoscalers to choose from")
    func whole() throws {
        let kinds = try objects().map { "\($0["kind"] ?? "")/\(name($0))" }
        for wanted in [
            "Deployment/cloudoptim-scheduler", "Deployment/cloudoptim-worker", "Job/cloudoptim-migrate",
            "PodDisruptionBudget/cloudoptim-scheduler", "PodDisruptionBudget/cloudoptim-worker",
            "NetworkPolicy/cloudoptim", "ScaledObject/cloudoptim-worker", "HorizontalPodAutoscaler/cloudoptim-worker",
            "Service/cloudoptim-scheduler",
        ] { #expect(kinds.contains(wanted)) }
        let scheduler = try Checkout.text("\(Self.folder)/scheduler.yaml")
        #expect(scheduler.contains("replicas: 2"))
        let worker = try Checkout.text("\(Self.folder)/worker.yaml")
        #expect(worker.contains("preStop:\n              exec: { command: [cloudoptim, drain] }"))
        #expect(!worker.contains("\n  replicas:"), "an autoscaler sets them")
        let drain = try #require(
            try Checkout.text("\(Self.folder)/configuration.yaml").firstMatch(of: /WORKER_DRAIN_SECONDS: "(\d+)"/))
        let grace = try #require(worker.firstMatch(of: /terminationGracePeriodSeconds: (\d+)/))
        #expect(try #require(Int(grace.1)) >= (try #require(Int(drain.1))) + 15, "the preStop hook counts as well")
    }

    @Test("every setting is one that is read, and every command is one that there is")
    func settings() throws {
        let known = Set(try ConfigurationNames.documented().keys)
        let commands = try Checkout.files(below: "Sources/cloudoptim/Commands", endingWith: ".swift").map(Checkout.text)
            .joined()
        var set: Set<String> = []
        for object in try objects() {
            if object["kind"] as? String == "ConfigMap" {
                set.formUnion((object["data"] as? [String: Any] ?? [:]).keys)
            }
            for container in containers(object) {
                set.formUnion((container["env"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String })
                let command = try #require((container["args"] as? [String])?.first)
                #expect(commands.contains("commandName: \"\(command)\""))
                #expect(container["image"] as? String == "cloudoptim:latest")
                let security = container["securityContext"] as? [String: Any]
                #expect(security?["readOnlyRootFilesystem"] as? Bool == true)
                #expect(security?["allowPrivilegeEscalation"] as? Bool == false)
            }
        }
        #expect(set.contains("POD_NAME") && set.contains("WORKER_SLOTS"))
        #expect(set.subtracting(known).sorted() == [])
        #expect(!set.contains { $0.contains("PASSWORD") || $0.contains("KEY") }, "secrets come from a Secret")
    }

    private func name(_ object: [String: Any]) -> String {
        (object["metadata"] as? [String: Any])?["name"] as? String ?? ""
    }

    private func containers(_ object: [String: Any]) -> [[String: Any]] {
        let template = (object["spec"] as? [String: Any])?["template"] as? [String: Any]
        return (template?["spec"] as? [String: Any])?["containers"] as? [[String: Any]] ?? []
    }
}
