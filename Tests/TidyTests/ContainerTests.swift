import Foundation
import Testing
import Yams

/// docker/compose.yaml, as Compose reads it: merged keys are resolved.
struct ComposeFile {
    struct Service {
        let name: String
        let image: String
        let environment: [String: String]
        let command: [String]
        let secrets: [String]
        let dependsOn: [String: String]
        let hasHealthcheck: Bool
    }

    let services: [Service]
    let secretFiles: [String: String]

    init(text: String) throws {
        let document = try #require(try Yams.load(yaml: text) as? [String: Any])
        let found = try #require(document["services"] as? [String: [String: Any]])
        services = found.map { name, fields in
            let environment = (fields["environment"] as? [String: Any] ?? [:]).mapValues { "\($0)" }
            let conditions = (fields["depends_on"] as? [String: [String: Any]] ?? [:]).mapValues {
                "\($0["condition"] ?? "")"
            }
            let check = fields["healthcheck"] as? [String: Any]
            return Service(
                name: name, image: fields["image"] as? String ?? "", environment: environment,
                command: fields["command"] as? [String] ?? [], secrets: fields["secrets"] as? [String] ?? [],
                dependsOn: conditions, hasHealthcheck: check.map { $0["disable"] as? Bool != true } ?? false)
        }.sorted { $0.name < $1.name }
        let secrets = document["secrets"] as? [String: [String: Any]] ?? [:]
        secretFiles = secrets.compactMapValues { $0["file"] as? String }
    }

    /// Those that run our image.
    var own: [Service] { services.filter { $0.image.hasPrefix("cloudoptim:") } }
}

@Suite("Containers")
struct ContainerTests {
    private func compose() throws -> ComposeFile { try ComposeFile(text: Checkout.text("docker/compose.yaml")) }

    private func commands() throws -> Set<String> {
        let files = try Checkout.files(below: "Sources/cloudoptim/Commands", endingWith: ".swift")
        return Set(
            try files.flatMap { try Checkout.text($0).matches(of: /commandName: "([a-z-]+)"/).map { String($0.1) } })
    }

    @Test("the services are those that the fleet needs")
    func services() throws {
        let compose = try compose()
        #expect(compose.services.map(\.name) == ["migrate", "postgres", "redis", "scheduler", "worker"])
        #expect(compose.own.map(\.name) == ["migrate", "scheduler", "worker"])
    }

    @Test("every environment name that is set for our image is one that is read")
    func names() throws {
        let known = Set(try ConfigurationNames.documented().keys)
        for service in try compose().own {
            #expect(service.environment.count > 5, "\(service.name)")
            #expect(Set(service.environment.keys).subtracting(known).sorted() == [], "\(service.name)")
        }
        let dockerfile = try Checkout.text("docker/Dockerfile")
        let set = dockerfile.matches(of: /(?m)^(?:ENV|[ ]{4})[ ]?([A-Z][A-Z0-9_]+)=/).map { String($0.1) }
        #expect(set.contains("HTTP_HOST") && set.contains("JOBSPECS_DIR"))
        #expect(Set(set).subtracting(known).subtracting(["DEBIAN_FRONTEND"]).sorted() == [])
    }

    @Test("every command that is run exists")
    func commandsExist() throws {
        let known = try commands()
        for service in try compose().own { #expect(known.contains(service.command.first ?? ""), "\(service.name)") }
        let check = try #require(
            try Checkout.text("docker/Dockerfile").firstMatch(of: /HEALTHCHECK .*CMD \["cloudoptim", "([a-z-]+)"\]/))
        #expect(known.contains(String(check.1)))
    }

    @Test("no secret stands in the file: each comes from a file, and is declared and made")
    func secrets() throws {
        let compose = try compose()
        let maker = try Checkout.text("docker/make-secrets")
        for (name, file) in compose.secretFiles {
            #expect(file == "./secrets/\(name)")
            #expect(maker.contains("make_secret \(name) "))
        }
        for service in compose.services {
            #expect(Set(service.secrets).subtracting(compose.secretFiles.keys) == [], "\(service.name)")
            for (name, value) in service.environment where name.hasSuffix("_FILE") {
                #expect(service.secrets.map { "/run/secrets/\($0)" }.contains(value), "\(service.name): \(name)")
            }
            for (name, value) in service.environment
            where name.contains("PASSWORD") || name.contains("SECRET") || name == "SEALING_KEY" {
                #expect(name.hasSuffix("_FILE") || value == "${\(name):-}", "\(service.name): \(name)")
            }
        }
    }

    @Test("the fleet starts on a migrated database, and servers are checked before they are used")
    func order() throws {
        let services = Dictionary(uniqueKeysWithValues: try compose().services.map { ($0.name, $0) })
        for name in ["postgres", "redis"] { #expect(services[name]?.hasHealthcheck == true, "\(name)") }
        #expect(services["migrate"]?.dependsOn == ["postgres": "service_healthy"])
        for name in ["scheduler", "worker"] {
            #expect(services[name]?.dependsOn["migrate"] == "service_completed_successfully", "\(name)")
        }
        #expect(services["redis"]?.command.last?.contains("--maxmemory-policy noeviction") == true)
    }

    @Test("the image runs as a user of its own, on the Debian release that it is built on, with the jobspecs")
    func image() throws {
        let text = try Checkout.text("docker/Dockerfile")
        #expect(text.contains("\nUSER 10001:10001\n"))
        #expect(text.contains("FROM swift:6.3-bookworm AS build") && text.contains("FROM debian:12-slim"))
        #expect(text.contains("COPY jobspecs /opt/cloudoptim/jobspecs"))
        #expect(text.contains("ENTRYPOINT [\"cloudoptim\"]"))
    }
}
