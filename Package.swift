// swift-tools-version: 6.2
// The layer diagram, as code: a target may import what it lists here and nothing else (docs/architecture.md).
import Foundation
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")
let tracing: Target.Dependency = .product(name: "Tracing", package: "swift-distributed-tracing")
let instrumentation: Target.Dependency = .product(name: "Instrumentation", package: "swift-distributed-tracing")
let coreMetrics: Target.Dependency = .product(name: "CoreMetrics", package: "swift-metrics")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let hummingbirdTLS: Target.Dependency = .product(name: "HummingbirdTLS", package: "hummingbird")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

func library(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: strict)
}

func tests(
    _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = [], resources: [Resource] = []
) -> Target {
    .testTarget(
        name: name, dependencies: dependencies, path: "Tests/\(name)", exclude: exclude, resources: resources,
        swiftSettings: strict)
}

var targets: [Target] = [
    // The job queue: usable by any Swift program.
    library("JobQueue", [yams, instrumentation]),
    library("Scheduler", ["JobQueue", log, metrics, lifecycle]),
    library("Worker", ["JobQueue", log, metrics, tracing, lifecycle]),
    library(
        "Postgres", ["JobQueue", "Threads", "CPostgres", log], resources: [.embedInCode("Migrations")]),
    library("Redis", ["JobQueue", "Threads", "CHiredis", "COpenSSL", log]),

    // CloudOptim, on top of it.
    library("Infrastructure", []),
    library("Optimizer", ["Infrastructure"]),
    library("Jobs", ["JobQueue", "Infrastructure", "Optimizer", log]),
    library(
        "Stores", ["Postgres", "JobQueue", "Infrastructure", "Sealing", log], resources: [.embedInCode("Migrations")]),
    library("AWS", ["Infrastructure", "HTTPClient", "COpenSSL", log], resources: [.embedInCode("Policies")]),
    library("Kubernetes", ["Infrastructure", "HTTPClient", yams, log]),
    library(
        "Simulator",
        [
            "Infrastructure", "HTTPClient", "Processes", hummingbird, hummingbirdTLS, log,
            .product(name: "HummingbirdCore", package: "hummingbird"), .product(name: "NIOCore", package: "swift-nio"),
            .product(name: "NIOSSL", package: "swift-nio-ssl"),
            .product(name: "HTTPTypes", package: "swift-http-types"),
        ]),
    .executableTarget(
        name: "cloudoptim",
        dependencies: [
            "JobQueue", "Scheduler", "Worker", "Postgres", "Redis", "Infrastructure", "Optimizer", "Jobs", "Stores",
            "AWS",
            "Kubernetes", "Simulator", "HTTPClient", "Sealing", "OpenTelemetry", arguments, hummingbird, log, metrics,
            coreMetrics, tracing, lifecycle, signals,
        ],
        swiftSettings: strict),

    // What proves the queue: measurements a stranger can repeat.
    .executableTarget(
        name: "QueueBench",
        dependencies: ["JobQueue", "Scheduler", "Worker", "Postgres", "Redis", "Processes", log, lifecycle, signals],
        swiftSettings: strict),
    .executableTarget(name: "PackingBench", dependencies: ["Optimizer", "Infrastructure"], swiftSettings: strict),
    .executableTarget(
        name: "Demo", dependencies: ["JobQueue", "Postgres", "Redis", "HTTPClient", "Processes", log],
        swiftSettings: strict),
    .executableTarget(
        name: "Chaos",
        dependencies: [
            "JobQueue", "Scheduler", "Worker", "Postgres", "Redis", "HTTPClient", "Threads", "Processes", log,
            lifecycle,
        ],
        swiftSettings: strict),

    // Small tools that both storeys stand on.
    library("HTTPClient", ["CCurl", "Threads", log, metrics, tracing]),
    library("OpenTelemetry", ["HTTPClient", log, metrics, tracing, lifecycle]),
    library("Sealing", ["COpenSSL"]),
    library("Threads", []),
    library("Processes", ["CSpawn"]),
    .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"])]),
    .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(name: "CSpawn"),
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),

    // What tests share, and what they drive parsers with.
    .target(
        name: "TestSupport", dependencies: ["Infrastructure", "Processes"], path: "Tests/TestSupport",
        swiftSettings: strict),
    .executableTarget(
        name: "Fuzz", dependencies: ["JobQueue", "Jobs", "Infrastructure", "AWS", "Kubernetes", "Postgres", "Redis"],
        path: "Tests/Fuzz", swiftSettings: strict),
    tests("FuzzTests", ["Fuzz"]),
    tests("JobQueueTests", ["JobQueue"]),
    tests(
        "QueueTests",
        ["JobQueue", "Scheduler", "Worker", "Postgres", "Redis", "Threads", "Processes", "TestSupport", log, lifecycle]),
    tests("ProcessesTests", ["Processes", "TestSupport"]),
    tests("HTTPClientTests", ["HTTPClient", "TestSupport"]),
    tests(
        "OpenTelemetryTests",
        ["OpenTelemetry", "HTTPClient", "JobQueue", "Worker", "Processes", "TestSupport", log, tracing, lifecycle]),
    tests("AWSTests", ["AWS", "HTTPClient", "Processes", "Sealing", "Infrastructure", "TestSupport"]),
    tests(
        "KubernetesTests",
        ["Kubernetes", "HTTPClient", "Infrastructure", "Processes", "Simulator", "TestSupport", log, yams]),
    tests(
        "SimulatorTests", ["Simulator", "HTTPClient", "Infrastructure", "TestSupport"], exclude: ["Resources"]),
    tests(
        "ProductTests",
        [
            "Infrastructure", "Optimizer", "Jobs", "Stores", "JobQueue", "Worker", "Postgres", "Sealing", "TestSupport",
            log,
        ], exclude: ["Resources"]),
    tests("TidyTests", ["JobQueue", "Jobs", "Infrastructure", "Processes", yams], exclude: ["Resources"]),
    tests("DemoTests", ["Demo"]),
    tests(
        "SystemTests",
        [
            "cloudoptim", "JobQueue", "Postgres", "Redis", "HTTPClient", "Scheduler", "Worker", "Processes",
            "TestSupport",
            log, lifecycle,
        ]),
]

// ONLY=AWS,AWSTests builds those targets and what they import, while others are under work.
if let only = ProcessInfo.processInfo.environment["ONLY"] {
    var wanted = Set(only.split(separator: ",").map(String.init))
    var size = 0
    while size != wanted.count {
        size = wanted.count
        for target in targets where wanted.contains(target.name) {
            for dependency in target.dependencies {
                if case .byNameItem(let name, _) = dependency { wanted.insert(name) }
            }
        }
    }
    targets = targets.filter { wanted.contains($0.name) }
}

/// The queue, for other programs: documented in each module's catalogue, shown in Examples/.
let products = ["JobQueue", "Worker", "Scheduler", "Postgres", "Redis"].filter { name in
    targets.contains { $0.name == name }
}

let package = Package(
    name: "cloudoptim",
    products: products.map { .library(name: $0, targets: [$0]) },
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: targets,
    swiftLanguageModes: [.v6]
)
