import Foundation
import Testing

/// The names of the environment: those that are read, and those that docs/configuration.md lists.
enum ConfigurationNames {
    /// Names read in Settings.swift; a secret may also be named as a file.
    static func settings() throws -> Set<String> {
        let text = try Checkout.text("Sources/cloudoptim/Settings.swift")
        var names: Set<String> = []
        for match in text.matches(of: /\b(text|secret|number)\("([A-Z][A-Z0-9_]*)"/) {
            names.insert(String(match.2))
            if match.1 == "secret" { names.insert("\(match.2)_FILE") }
        }
        return names
    }

    /// Names read for AWS: whole literals, and one endpoint for each service.
    static func aws() throws -> Set<String> {
        var names: Set<String> = []
        for file in try Checkout.files(below: "Sources/AWS", endingWith: ".swift") {
            let text = try Checkout.text(file)
            names.formUnion(text.matches(of: /"(AWS_[A-Z0-9_]*[A-Z0-9])"/).map { String($0.1) })
        }
        let endpoints = try Checkout.text("Sources/AWS/AWSEndpoints.swift")
        let services = endpoints.matches(of: /case \.\w+: "([A-Z0-9_]+)"/).map { "AWS_ENDPOINT_URL_\($0.1)" }
        return names.union(services)
    }

    /// Names in jobspecs, with their defaults.
    static func jobspecs() throws -> [String: String] {
        var names: [String: String] = [:]
        for file in try Checkout.files(below: "jobspecs", endingWith: ".yaml") {
            for match in try Checkout.text(file).matches(of: /\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}/) {
                names[String(match.1)] = match.2.map(String.init) ?? ""
            }
        }
        return names
    }

    /// Names that the document lists, with what it says is the default.
    static func documented() throws -> [String: String] {
        var names: [String: String] = [:]
        for table in MarkdownTable.all(in: try Checkout.text("docs/configuration.md"))
        where table.header.first == "Name" {
            for row in table.rows {
                for name in row[0].codes { names[name] = row[1].codes.first ?? row[1] }
            }
        }
        return names
    }
}

@Suite("Configuration")
struct ConfigurationTests {
    @Test("the document lists exactly the names that are read")
    func names() throws {
        let settings = try ConfigurationNames.settings()
        let aws = try ConfigurationNames.aws()
        let jobspecs = try ConfigurationNames.jobspecs()
        #expect(settings.contains("DB_PASSWORD_FILE") && settings.contains("WORKER_SLOTS"))
        #expect(aws.contains("AWS_ENDPOINT_URL_SQS") && aws.contains("AWS_ACCESS_KEY_ID"))
        #expect(jobspecs["SQS_POLL_INTERVAL_SECONDS"] != nil)
        let read = settings.union(aws).union(jobspecs.keys)
        let documented = Set(try ConfigurationNames.documented().keys)
        #expect(read.subtracting(documented).sorted() == [], "read, but not in docs/configuration.md")
        #expect(documented.subtracting(read).sorted() == [], "in docs/configuration.md, but read nowhere")
    }

    @Test("defaults of jobspecs are those that the document tells")
    func jobspecDefaults() throws {
        let documented = try ConfigurationNames.documented()
        for (name, value) in try ConfigurationNames.jobspecs() { #expect(documented[name] == value, "\(name)") }
    }

    @Test("numeric defaults of the settings are those that the document tells")
    func numericDefaults() throws {
        let documented = try ConfigurationNames.documented()
        let text = try Checkout.text("Sources/cloudoptim/Settings.swift")
        let defaults = text.matches(of: /number\("([A-Z0-9_]+)", in: [^)]*\)\)? \?\? ([0-9_]+)/)
        #expect(defaults.count > 5)
        for match in defaults { #expect(documented[String(match.1)] == String(match.2), "\(match.1)") }
    }
}
