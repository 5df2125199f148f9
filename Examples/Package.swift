// swift-tools-version: 6.2
// A program of another team that uses CloudOptim's job queue for its own jobs. In your own manifest the first dependency is the
// repository's URL and a version instead of this path.
import PackageDescription

let package = Package(
    name: "examples",
    dependencies: [
        .package(name: "cloudoptim", path: ".."),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .executableTarget(
            name: "ReceiptService",
            dependencies: [
                .product(name: "JobQueue", package: "cloudoptim"),
                .product(name: "Worker", package: "cloudoptim"),
                .product(name: "Scheduler", package: "cloudoptim"),
                .product(name: "Postgres", package: "cloudoptim"),
                .product(name: "Redis", package: "cloudoptim"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ])
    ],
    swiftLanguageModes: [.v6]
)
