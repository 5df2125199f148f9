import Foundation
import HTTPClient
import TestSupport
import Testing

@testable import Simulator

/// A simulator on free ports in front of a moto of its own.
struct RunningSimulator: Sendable {
    var plan: SimulatedCluster
    var files: SimulatorFiles
    var addresses: SimulatorAddresses
    var motoURL: String
    let transport = HTTPTransport()

    @TaskLocal static var current: RunningSimulator?

    var awsURL: String { "http://127.0.0.1:\(addresses.awsPort)" }
    var clusterURL: String { "https://127.0.0.1:\(addresses.kubernetesPort)/clusters/\(plan.name)" }

    func control(_ method: String, _ path: String, _ body: JSONValue = .null) async throws -> JSONValue {
        let response = try await transport.send(
            HTTPRequest(method: method, url: awsURL + "/_control/" + path, body: body.isNull ? nil : body.bytes))
        let json = try JSONValue(parsing: response.body)
        guard response.status == 200 else { throw APIStatus(code: response.status, reason: "", message: json.text) }
        return json
    }

    func ec2(_ parameters: [String: String], at url: String? = nil) async throws -> HTTPResponse {
        let scope = "Credential=AKIATEST/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=00"
        return try await transport.send(
            HTTPRequest(
                method: "POST", url: (url ?? awsURL) + "/",
                headers: [
                    ("Content-Type", "application/x-www-form-urlencoded"),
                    ("Authorization", "AWS4-HMAC-SHA256 " + scope),
                ], body: Array(FormEncoding.encode(parameters.merging(["Version": "2016-11-15"]) { $1 }).utf8)))
    }

    /// A call of SQS's JSON protocol; what is refused throws its code.
    func sqs(_ action: String, _ body: JSONValue, at url: String? = nil) async throws -> JSONValue {
        let scope = "Credential=AKIATEST/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=00"
        let response = try await transport.send(
            HTTPRequest(
                method: "POST", url: (url ?? awsURL) + "/",
                headers: [
                    ("Content-Type", "application/x-amz-json-1.0"), ("X-Amz-Target", "AmazonSQS." + action),
                    ("Authorization", "AWS4-HMAC-SHA256 " + scope),
                ], body: body.bytes))
        let json = response.body.isEmpty ? [:] : try JSONValue(parsing: response.body)
        guard response.status == 200 else {
            let code = (json["__type"].string ?? "").split(separator: "#").last.map(String.init) ?? ""
            throw AWSError(status: response.status, code: code, message: json["message"].string ?? "")
        }
        return json
    }

    func kubernetes(_ method: String, _ path: String, token: String?, _ body: JSONValue = .null) async throws
        -> HTTPResponse
    {
        let authority = try String(contentsOfFile: files.authorityPath, encoding: .utf8)
        return try await transport.send(
            HTTPRequest(
                method: method, url: clusterURL + path,
                headers: [("Content-Type", method == "PATCH" ? "application/merge-patch+json" : "application/json")]
                    + (token.map { [(name: "Authorization", value: "Bearer " + $0)] } ?? []),
                body: body.isNull ? nil : body.bytes, trust: .authority(pem: authority)))
    }
}

/// Starts one simulator for a whole suite.
struct SimulatorScope: SuiteTrait, TestScoping {
    func provideScope(for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void)
        async throws
    {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("simulator-\(UUID().uuidString)")
            .path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let moto = try Child(
            "/usr/bin/env", ["moto_server", "-H", "127.0.0.1", "-p", "0"],
            environment: ProcessInfo.processInfo.environment.merging(["PYTHONUNBUFFERED": "1"]) { $1 },
            directory: directory, name: "moto")
        // It outlives SIGTERM while a kept connection is open, and has nothing to save.
        defer { moto.kill() }
        let motoURL = try await eventually("moto answers", within: .seconds(60)) {
            (moto.output + moto.errors).firstMatch(of: /Running on (http:\/\/127\.0\.0\.1:\d+)\s/).map { String($0.1) }
        }
        let files = try SimulatorFiles(directory: directory)
        let plan = SimulatedCluster(
            name: "blue", nodeCount: 6, podCount: 50,
            owners: [(.ours, 3), (.autoScalingGroup, 1), (.managedNodeGroup, 1), (.karpenter, 1)],
            hasAwkwardPods: false,
            podStartSeconds: 0.2...0.5, podStopFraction: 0.01...0.05)
        let server = SimulatorServer(
            configuration: SimulatorConfiguration(
                motoURL: motoURL, seed: 11, clusters: [plan], certificatePath: files.certificatePath,
                privateKeyPath: files.privateKeyPath, nodeJoinSeconds: 0.2...0.5, stateDirectory: directory))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            let addresses = try #require(await server.addresses(), "the simulator did not start")
            let running = RunningSimulator(plan: plan, files: files, addresses: addresses, motoURL: motoURL)
            try await RunningSimulator.$current.withValue(running) { try await function() }
            group.cancelAll()
            // A server that is told to stop ends with a cancellation.
            while let result = await group.nextResult() {
                if case .failure(let error) = result, !(error is CancellationError) { throw error }
            }
        }
    }
}
