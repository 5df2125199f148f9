import Foundation
import HTTPClient
import Testing

@testable import Simulator

/// A program that was started here and is ended here, by its own process id.
final class ChildProcess: @unchecked Sendable {  // the process is only touched by the one scope that owns it
    let process = Process()
    private let output = Pipe()

    init(_ arguments: [String], environment: [String: String] = [:]) {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = output
        process.standardError = output
    }

    /// Waiting for a process blocks a thread: never one of Swift's pool, which the simulator itself runs on.
    private func apart<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
        }
    }

    /// Starts it and waits for a line; what is printed later is read and dropped.
    func start(until marker: String) async throws -> String {
        try await apart { try self.startAndWait(marker) }
    }

    private func startAndWait(_ marker: String) throws -> String {
        try process.run()
        var text = ""
        while let chunk = try output.fileHandleForReading.read(upToCount: 1), !chunk.isEmpty {
            text += String(decoding: chunk, as: UTF8.self)
            if text.hasSuffix("\n"), text.contains(marker) { break }
        }
        output.fileHandleForReading.readabilityHandler = { handle in _ = handle.availableData }
        return text
    }

    /// Runs it to its end.
    func run() async throws -> (status: Int32, text: String) {
        try await apart {
            try self.process.run()
            let text = String(decoding: self.output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            self.process.waitUntilExit()
            return (self.process.terminationStatus, text)
        }
    }

    func end() {
        output.fileHandleForReading.readabilityHandler = nil
        // moto_server outlives SIGTERM while a kept connection is open, and has nothing to save.
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }
}

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

    /// Asks again until the answer is there or a minute is over.
    func eventually<Value>(_ what: String, _ probe: () async throws -> Value?) async throws -> Value {
        let clock = ContinuousClock()
        let end = clock.now + .seconds(60)
        while clock.now < end {
            if let value = try await probe() { return value }
            try await clock.sleep(for: .milliseconds(50))
        }
        throw APIStatus(code: 504, reason: "Timeout", message: "never: \(what)")
    }
}

/// Starts one simulator for a whole suite.
struct SimulatorScope: SuiteTrait, TestScoping {
    func provideScope(for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void)
        async throws
    {
        let moto = ChildProcess(["moto_server", "-H", "127.0.0.1", "-p", "0"], environment: ["PYTHONUNBUFFERED": "1"])
        defer { moto.end() }
        let banner = try await moto.start(until: "Running on http")
        let start = try #require(banner.range(of: "http://127.0.0.1:"), "moto_server did not start: \(banner)")
        let motoURL = String(banner[start.lowerBound...].prefix { !$0.isWhitespace })
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("simulator-\(UUID().uuidString)")
            .path
        defer { try? FileManager.default.removeItem(atPath: directory) }
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
