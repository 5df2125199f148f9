import Foundation
import HTTPClient
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import NIOSSL

/// Where a running simulator listens.
public struct SimulatorAddresses: Sendable {
    /// Port of the Kubernetes API (TLS).
    public var kubernetesPort: Int
    /// Port of the AWS endpoint and the control API (HTTP).
    public var awsPort: Int
}

/// A seeded world that speaks the Kubernetes API and is the one AWS endpoint in front of moto.
public final class SimulatorServer: Sendable {
    private let configuration: SimulatorConfiguration
    private let logger: Logger
    private let addressStream: AsyncStream<(isKubernetes: Bool, port: Int)>
    private let addressContinuation: AsyncStream<(isKubernetes: Bool, port: Int)>.Continuation

    /// How often what is due is carried out.
    private static let tickInterval = Duration.milliseconds(20)
    /// How long moto may take to come up.
    private static let motoStartSecondsMax = 30

    /// - Parameter configuration: ports of 0 are chosen when `run` listens.
    public init(configuration: SimulatorConfiguration, logger: Logger = Logger(label: "simulator")) {
        self.configuration = configuration
        self.logger = logger
        (addressStream, addressContinuation) = AsyncStream.makeStream()
    }

    /// Waits until both endpoints listen; to be called once.
    /// - Returns: the ports, or nil when `run` ended before.
    public func addresses() async -> SimulatorAddresses? {
        var kubernetes: Int?
        var aws: Int?
        for await address in addressStream {
            if address.isKubernetes { kubernetes = address.port } else { aws = address.port }
            if let kubernetes, let aws { return SimulatorAddresses(kubernetesPort: kubernetes, awsPort: aws) }
        }
        return nil
    }

    /// Makes the world (instances in moto first) and serves it until cancelled.
    /// - Throws: when moto does not answer, a port is taken or a certificate cannot be read.
    public func run() async throws {
        defer { addressContinuation.finish() }
        let world = World(configuration: configuration)
        let faults = FaultBoard(seed: configuration.seed)
        let log = try CallLog(directory: configuration.stateDirectory)
        let gateway = AWSGateway(configuration: configuration, world: world, faults: faults, log: log, logger: logger)
        let control = ControlAPI(configuration: configuration, world: world, gateway: gateway, faults: faults, log: log)
        try await waitForMoto(gateway)
        for plan in configuration.clusters { await world.populate(plan, instances: try await gateway.prepare(plan)) }
        let clusters = KubernetesGateway(configuration: configuration, world: world, faults: faults, log: log)
        let kubernetes = try application(
            isKubernetes: true, port: configuration.kubernetesPort, server: .tls(.http1(), tlsConfiguration: try tls()),
            SimulatorResponder(world: world) { try await clusters.answer($0) })
        let aws = try application(
            isKubernetes: false, port: configuration.awsPort, server: .http1(),
            SimulatorResponder(world: world) { request in
                request.path.hasPrefix(ControlAPI.prefix)
                    ? try await control.answer(request) : try await gateway.answer(request)
            }
        ) { [configuration, logger] port in
            await gateway.listens(at: "http://\(configuration.host):\(port)")
            guard let directory = configuration.stateDirectory else { return }
            do {
                try Data(await control.description().bytes).write(to: URL(fileURLWithPath: directory + "/world.json"))
            } catch { logger.error("could not write world.json", metadata: ["error": "\(error)"]) }
        }
        let logger = logger
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await kubernetes.runService(gracefulShutdownSignals: []) }
            group.addTask { try await aws.runService(gracefulShutdownSignals: []) }
            group.addTask {
                while !Task.isCancelled {
                    await world.tick()
                    try await Task.sleep(for: Self.tickInterval)
                }
            }
            group.addTask {
                for await instance in world.endedInstances {
                    do { try await gateway.terminate(instance) } catch {
                        // The world has ended it already; moto keeps an instance that nobody counts.
                        logger.error(
                            "could not terminate in moto",
                            metadata: ["instance": "\(instance.id)", "error": "\(error)"])
                    }
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func waitForMoto(_ gateway: AWSGateway) async throws {
        for attempt in 1... {
            do {
                _ = try await gateway.link.ec2(
                    region: "us-east-1", accessKey: "SIMULATOR", ["Action": "DescribeRegions"])
                return
            } catch let error as HTTPClient.HTTPError
                where attempt < Self.motoStartSecondsMax * 2 && error.code != .cancelled
            {
                try await Task.sleep(for: .milliseconds(500))
            }
        }
    }

    private func tls() throws -> TLSConfiguration {
        let chain = try NIOSSLCertificate.fromPEMFile(configuration.certificatePath)
        let key = try NIOSSLPrivateKey(file: configuration.privateKeyPath, format: .pem)
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        tls.applicationProtocols = ["http/1.1"]
        return tls
    }

    private func application(
        isKubernetes: Bool, port: Int, server: HTTPServerBuilder, _ responder: SimulatorResponder,
        whenListening: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) throws -> Application<SimulatorResponder> {
        let continuation = addressContinuation
        // Hummingbird reports every cancelled listener as an error; what goes wrong here is thrown.
        var quiet = logger
        quiet.logLevel = .critical
        return Application(
            responder: responder, server: server,
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: port), serverName: nil),
            onServerRunning: { channel in
                let bound = channel.localAddress?.port ?? port
                await whenListening(bound)
                continuation.yield((isKubernetes, bound))
            }, logger: quiet)
    }
}
