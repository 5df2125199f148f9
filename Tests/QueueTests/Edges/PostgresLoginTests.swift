import JobQueue
import Postgres
import Testing

@Suite("Postgres login") struct PostgresLoginTests {
    @Test("a wrong password, role or database is refused, with what was tried and without the password")
    func wrongLogin() async throws {
        let good = try TestServers.database()
        for (change, words) in [
            ({ $0.password = "swordfish" }, ["password authentication failed", "28P01"]),
            ({ $0.user = "nobody-here" }, ["nobody-here"]),
            ({ $0.database = "no-such-db" }, ["no-such-db", "3D000"]),
        ] as [((inout PostgresConfiguration) -> Void, [String])] {
            var configuration = good
            change(&configuration)
            let error = try await queueError { _ = try await PostgresConnection.connect(configuration) }
            #expect(error.code == .refused)
            for word in words + ["\(good.port)"] { #expect(error.description.contains(word)) }
            #expect(!error.description.contains("swordfish"))
            #expect(!error.description.contains(good.password ?? "?"))
            #expect(!String(describing: configuration).contains("swordfish"))
        }
    }

    @Test("verify-full connects with the right authority and name")
    func verified() async throws {
        let connection = try await PostgresConnection.connect(try tls())
        #expect(try await connection.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")[0].bool(0))
    }

    @Test("verify-full refuses an unknown authority, no authority and a name the certificate does not have")
    func notVerified() async throws {
        let foreign = try TestServers.foreignAuthority()
        for (change, word) in [
            ({ $0.sslRootCertificate = foreign }, "certificate verify failed"),
            ({ $0.sslRootCertificate = nil }, "certificate verify failed"),
            ({ $0.sslRootCertificate = "/nowhere/ca.crt" }, "/nowhere/ca.crt"),
            ({ $0.host = "127.0.0.1" }, "does not match host name \"127.0.0.1\""),  // the certificate is for localhost
        ] as [((inout PostgresConfiguration) -> Void, String)] {
            var configuration = try tls()
            change(&configuration)
            let error = try await queueError { _ = try await PostgresConnection.connect(configuration) }
            #expect(error.code == .unavailable)
            #expect(error.message.contains(word))
        }
    }

    private func tls() throws -> PostgresConfiguration {
        var configuration = try PostgresConfiguration(url: TestServers.variable("TEST_DATABASE_TLS_URL"))
        configuration.sslMode = .verifyFull
        configuration.sslRootCertificate = try TestServers.variable("TEST_DATABASE_CA_FILE")
        return configuration
    }
}

@Suite("Postgres URL") struct PostgresURLTests {
    @Test("every part of a URL is taken")
    func parts() throws {
        let read = try PostgresConfiguration(
            url: "postgresql://us%40er:p%2Fw%3A%40%25@db.example:6432/led%20ger?sslmode=verify-ca&sslrootcert=/ca.pem"
                + "&application_name=x&connect_timeout=7&schema=s&statement_timeout=1500&pooler=transaction")
        #expect(read.user == "us@er" && read.password == "p/w:@%")
        #expect(read.host == "db.example" && read.port == 6432 && read.database == "led ger")
        #expect(read.sslMode == .verifyCA && read.sslRootCertificate == "/ca.pem" && read.applicationName == "x")
        #expect(read.connectTimeout == .seconds(7) && read.statementTimeout == .milliseconds(1500))
        #expect(read.schema == "s" && read.pooler == .transaction)
        let small = try PostgresConfiguration(url: "postgres://u@[::1]/d?host=/tmp")
        #expect(small.host == "/tmp" && small.port == 5432 && small.password == nil)
        #expect(try PostgresConfiguration(url: "postgres://u@[::1]/d").host == "::1")
    }

    @Test(
        "a wrong URL is refused with the part at fault, and never repeated",
        arguments: [
            ("mysql://u:secret@h/d", "mysql"), ("postgresql://u:secret@h", "database"), ("postgresql://h/d", "user"),
            ("postgresql://u:secret@h/d?sslmode=full", "sslmode"), ("postgresql://u:secret@h/d?ssl=1", "'ssl'"),
            ("postgresql://u:sec ret^@h:x/d", "not a URL"),
            ("postgresql://u:secret@h/d?connect_timeout=0", "connect_timeout"),
        ])
    func wrong(_ url: String, _ word: String) async throws {
        let error = try await queueError { _ = try PostgresConfiguration(url: url) }
        #expect(error.code == .invalid)
        #expect(error.message.contains(word))
        #expect(!error.message.contains("secret") && !error.message.contains("sec ret"))
    }
}
