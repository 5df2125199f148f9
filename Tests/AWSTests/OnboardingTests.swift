import Foundation
import Infrastructure
import Processes
import Testing

@testable import AWS

/// The policies that customers are given: exactly what the code calls, and the same in every form.
@Suite("Onboarding: policies of AWS")
struct OnboardingTests {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    static func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    /// The same document always has the same text.
    static func canonical(_ object: Any) throws -> String {
        String(decoding: try JSONSerialization.data(withJSONObject: object, options: .sortedKeys), as: UTF8.self)
    }

    static func json(_ text: String) throws -> String { try canonical(try object(text)) }

    /// Calls of ours that a customer's policy need not grant, and why.
    static let notGranted = [
        "sqs:SendMessage": "tests put messages into queues", "sqs:ChangeMessageVisibility": "no message is held",
        "pricing:GetProducts": "prices are read with our own credentials",
    ]

    /// What Sources/AWS calls, as policies name it. Calls of STS need no policy of the customer's.
    static func called() throws -> Set<String> {
        let folder = root.appending(path: "Sources/AWS")
        var found: Set<String> = []
        for file in try FileManager.default.contentsOfDirectory(atPath: folder.path) where file.hasSuffix(".swift") {
            let text = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
            for match in text.matches(of: /\.ec2\("([A-Za-z]+)"/) { found.insert("ec2:\(match.1)") }
            for match in text.matches(of: /pages\(\s*"([A-Za-z]+)"/) { found.insert("ec2:\(match.1)") }
            for match in text.matches(of: /\.autoScaling\(\s*"([A-Za-z]+)"/) { found.insert("autoscaling:\(match.1)") }
            for match in text.matches(of: /\.eks\(\s*"([A-Za-z]+)"/) { found.insert("eks:\(match.1)") }
            for match in text.matches(of: /service: \.pricing, action: "([A-Za-z]+)"/) {
                found.insert("pricing:\(match.1)")
            }
            for match in text.matches(of: /service: \.logs, action: "([A-Za-z]+)"/) { found.insert("logs:\(match.1)") }
            for match in text.matches(of: /\.s3\(\s*"([A-Za-z0-9]+)"/) {
                // Listing a bucket is one permission, whatever the call's version is named.
                found.insert("s3:\(match.1 == "ListObjectsV2" ? "ListBucket" : match.1)")
            }
            for match in text.matches(of: /(?:sqs|batch)\(\s*"([A-Za-z]+?)(?:Batch)?"/) {
                found.insert("sqs:\(match.1)")
            }
        }
        return found
    }

    @Test("the permissions that are known are exactly those of the calls in the sources")
    func exact() throws {
        let called = try OnboardingTests.called()
        #expect(called.count > 20)
        let known = Set(CloudPermission.all.filter(\.isCalled).map(\.action))
        #expect(called.subtracting(OnboardingTests.notGranted.keys).subtracting(known) == [])
        #expect(known.subtracting(called) == [])
        #expect(Set(OnboardingTests.notGranted.keys).subtracting(called) == [])
    }

    @Test("the policies grant exactly what is known: the one that looks every look, the one that acts everything")
    func granted() throws {
        #expect(try OnboardingPolicy.actions(acts: true) == Set(CloudPermission.all.map(\.action)))
        #expect(try OnboardingPolicy.actions(acts: false) == Set(CloudPermission.all.filter(\.isRead).map(\.action)))
    }

    @Test("no statement that changes something is for everything")
    func scoped() throws {
        let document = try OnboardingTests.object(OnboardingPolicy.document(acts: true))
        let all = try #require(document["Statement"] as? [[String: Any]])
        #expect(all.count > 10)
        for statement in all where statement["Sid"] as? String != "Look" {
            #expect((statement["Resource"] as? String) != "*", "\(statement)")
        }
        // With CreateTags on anything every condition on a tag could be walked around (domain-rules section 13).
        for statement in all where "\(statement["Action"] ?? "")".contains("CreateTags") {
            let condition = "\(statement["Condition"] ?? "")"
            #expect(condition.contains("ec2:CreateAction") || condition.contains("aws:TagKeys"), "\(statement)")
        }
    }

    @Test("what is shipped with the program is what docker/onboarding says", arguments: ["act", "read_only"])
    func shipped(name: String) throws {
        let file = try OnboardingTests.text("docker/onboarding/iam/\(name).json")
        #expect(OnboardingPolicy.document(acts: name == "act") == file)
    }

    /// The JSON documents within the CloudFormation template, by the line that introduces each.
    private static func documents(in template: String) -> [String] {
        let lines = template.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var found: [String] = []
        var open: (indent: String, lines: [String])?
        for line in lines {
            if let block = open {
                open?.lines.append(line)
                if line == block.indent + "}" {
                    found.append((block.lines + [line]).joined(separator: "\n"))
                    open = nil
                }
            } else if line.trimmingCharacters(in: .whitespaces) == "{" {
                open = (String(line.prefix { $0 == " " }), [line])
            }
        }
        return found
    }

    @Test("CloudFormation has the same policies as the files, and Terraform reads the files themselves")
    func templates() throws {
        let template = try OnboardingTests.text("docker/onboarding/cloudformation.yaml")
        let documents = try OnboardingTests.documents(in: template).map(OnboardingTests.json)
        var wanted: [String] = []
        for name in ["trust", "read_only", "trust", "act", "queue"] {
            wanted.append(try OnboardingTests.json(try OnboardingTests.text("docker/onboarding/iam/\(name).json")))
        }
        #expect(documents == wanted)
        let terraform = try OnboardingTests.text("docker/onboarding/terraform/main.tf")
        for name in ["trust", "read_only", "act", "queue"] {
            #expect(terraform.contains("templatefile(\"${path.module}/../iam/\(name).json\", local.values)"))
        }
        #expect(terraform.contains("file(\"${path.module}/../iam/events.json\")"))
        // Every name that the documents leave open is given by both.
        let open = Set(
            try ["trust", "read_only", "act", "queue"].flatMap { name in
                try OnboardingTests.text("docker/onboarding/iam/\(name).json").matches(of: /\$\{([A-Za-z]+)\}/).map {
                    String($0.1)
                }
            })
        for name in open {
            #expect(terraform.contains(try Regex("\\b\(name) +=")), "Terraform gives no \(name)")
            #expect(template.contains("\(name):"), "CloudFormation gives no \(name)")
        }
    }

    @Test("the rules for events are the same in both, and each goes to the queue")
    func events() throws {
        let template = try OnboardingTests.text("docker/onboarding/cloudformation.yaml")
        let patterns = try template.matches(of: /EventPattern: (\{.+\})/).map { try OnboardingTests.json(String($0.1)) }
        let events = try OnboardingTests.object(try OnboardingTests.text("docker/onboarding/iam/events.json"))
        #expect(events.count == 6)
        #expect(Set(patterns) == Set(try events.values.map(OnboardingTests.canonical)))
        #expect(template.matches(of: /Arn: !GetAtt Queue\.Arn/).count == events.count)
        for name in events.keys { #expect(template.contains("Name: !Sub cloudoptim-${ClusterName}-\(name)")) }
    }

    @Test("the queue keeps events for 300 s, has a dead-letter queue, takes TLS only and only these rules' messages")
    func queue() throws {
        let template = try OnboardingTests.text("docker/onboarding/cloudformation.yaml")
        let terraform = try OnboardingTests.text("docker/onboarding/terraform/main.tf")
        #expect(template.contains("MessageRetentionPeriod: 300\n"))
        #expect(terraform.contains(/message_retention_seconds += 300\n/))
        #expect(template.contains("deadLetterTargetArn: !GetAtt DeadLetters.Arn"))
        #expect(terraform.contains("deadLetterTargetArn = aws_sqs_queue.dead_letters[0].arn"))
        let policy = try OnboardingTests.text("docker/onboarding/iam/queue.json")
        #expect(policy.contains("aws:SecureTransport"))
        #expect(policy.contains("aws:SourceArn"))
        #expect(policy.contains("rule/cloudoptim-${ClusterName}-*"))
        let trust = try OnboardingTests.text("docker/onboarding/iam/trust.json")
        #expect(trust.contains("sts:ExternalId"))
    }

    private static func run(_ tool: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
        let (status, output) = try ChildProcess.run([root.appending(path: ".run/venv/bin/\(tool)").path] + arguments)
        return (status, String(decoding: output, as: UTF8.self))
    }

    private static func has(_ module: String) -> Bool {
        let run = try? run("python", ["-c", "import \(module)"])  // no venv at all: nothing is installed
        return run?.status == 0
    }

    @Test(
        "cfn-lint has nothing to say",
        .enabled(if: has("cfnlint"), "cfn-lint is not in .run/venv and could not be installed: tools/install"))
    func cfnLint() throws {
        let answer = try OnboardingTests.run(
            "python",
            [
                "-c", "import sys; from cfnlint.runner import main; sys.exit(main())",
                OnboardingTests.root.appending(path: "docker/onboarding/cloudformation.yaml").path,
            ])
        #expect(answer.status == 0, "\(answer.output)")
    }

    @Test(
        "Terraform's file is well-formed HCL, with the resources that CloudFormation makes",
        .enabled(if: has("hcl2"), "python-hcl2 is not in .run/venv and could not be installed: tools/install"))
    func hcl() throws {
        let script = """
            import hcl2, json, sys
            tree = hcl2.load(open(sys.argv[1]))
            print(json.dumps(sorted(k.strip('"') for block in tree["resource"] for k in block)))
            """
        let file = OnboardingTests.root.appending(path: "docker/onboarding/terraform/main.tf").path
        let answer = try OnboardingTests.run("python", ["-c", script, file])
        #expect(answer.status == 0, "\(answer.output)")
        let found = try JSONDecoder().decode([String].self, from: Data(answer.output.utf8))
        #expect(
            found == [
                "aws_cloudwatch_event_rule", "aws_cloudwatch_event_target", "aws_iam_role", "aws_iam_role",
                "aws_iam_role_policy", "aws_iam_role_policy", "aws_sqs_queue", "aws_sqs_queue", "aws_sqs_queue_policy",
            ])
    }

    @Test("the text to add for a missing permission is a statement of the policy, filled in")
    func statements() throws {
        let cluster = ClusterRegistration(
            id: "prod", tenant: "acme", name: "prod-eks", account: "123456789012", region: "eu-central-1",
            endpoint: "https://k8s.example")
        let text = try OnboardingPolicy.statements(granting: ["ec2:DeleteVolume"], for: cluster)
        #expect(text.contains("DeleteMarkedVolumes"))
        #expect(text.contains("arn:aws:ec2:eu-central-1:*:volume/*"))
        #expect(text.contains("aws:ResourceTag/kubernetes.io/cluster/prod-eks"))
        #expect(!text.contains("TerminateInstances"))
        #expect(try !OnboardingPolicy.statements(granting: [], for: cluster).contains("Sid"))
    }
}
