import Foundation
import JobQueue
import Redis
import TestSupport
import Testing

@Suite("Redis") struct RedisTests {
    static let list = ReadyList(queue: "a", lane: .work)

    @Test("a wrong password is refused with what was tried and without the password", arguments: BrokerWorld.servers)
    func wrongPassword(_ world: BrokerWorld) async throws {
        var configuration = try world.configuration()
        configuration.password = "swordfish"
        let connection = RedisConnection(configuration)
        let error = try await queueError { try await connection.command(Array("PING".utf8)) }
        #expect(error.code == .refused)
        #expect(error.message.contains("\(configuration.host):\(configuration.port)"))
        #expect(error.message.contains("WRONGPASS"))
        #expect(!error.description.contains("swordfish"))
        #expect(!String(describing: configuration).contains("swordfish"))
        let broker = RedisBroker(configuration)
        #expect(try await queueError { try await broker.push([JobID()], to: Self.list) }.code == .unavailable)
        #expect(try await queueError { _ = try await broker.policyWarning() }.code == .refused)
    }

    @Test("no password where one is wanted is refused")
    func noPassword() async throws {
        var configuration = try BrokerWorld.plain.configuration()
        configuration.user = nil
        configuration.password = nil
        let connection = RedisConnection(configuration)
        let error = try await queueError { try await connection.command(Array("PING".utf8)) }
        #expect(error.code == .refused && error.message.contains("NOAUTH"))
    }

    @Test("a user of the access list logs in with a name, a database other than 0 is selected")
    func userAndDatabase() async throws {
        var configuration = try BrokerWorld.plain.configuration()
        let owner = RedisConnection(configuration)
        let name = "user-\(JobID())"
        try await owner.send("ACL", "SETUSER", name, "on", ">p@ss/w:rd", "~*", "+@all")
        configuration.user = name
        configuration.password = "p@ss/w:rd"
        configuration.database = 3
        let connection = RedisConnection(configuration)
        #expect(try await connection.send("ACL", "WHOAMI").text == name)
        #expect(try await connection.send("CLIENT", "INFO").text?.contains(" db=3 ") == true)
        try await owner.send("ACL", "DELUSER", name)
    }

    @Test("TLS refuses an unknown authority, the system's, and a name the certificate does not have")
    func notVerified() async throws {
        let foreign = try TestServers.foreignAuthority()
        for (change, word) in [
            ({ $0.caFile = foreign }, "not accepted"),
            ({ $0.caFile = nil }, "not accepted"),
            ({ $0.caFile = "/nowhere/ca.crt" }, "/nowhere/ca.crt"),
            ({ $0.host = "127.0.0.1" }, "IP address mismatch"),  // the certificate is for localhost
            ({ $0.host = "127.1" }, "hostname mismatch"),
        ] as [((inout RedisConfiguration) -> Void, String)] {
            var configuration = try BrokerWorld.tls.configuration()
            change(&configuration)
            let connection = RedisConnection(configuration)
            let error = try await queueError { try await connection.send("PING") }
            #expect(error.code == .unavailable)
            #expect(error.message.contains(word))
        }
    }

    @Test("TLS to a port that speaks plain, and plain to one that speaks TLS, are errors in time")
    func mixedUp() async throws {
        let plain = try BrokerWorld.plain.configuration()
        let tls = try BrokerWorld.tls.configuration()
        var first = plain
        first.usesTLS = true
        first.connectTimeout = .milliseconds(500)
        var second = tls
        second.usesTLS = false
        second.connectTimeout = .milliseconds(500)
        for configuration in [first, second] {
            let connection = RedisConnection(configuration)
            #expect(try await queueError { try await connection.send("PING") }.code == .unavailable)
        }
    }

    @Test("a connection that was cut is replaced at the next command", arguments: BrokerWorld.servers)
    func cut(_ world: BrokerWorld) async throws {
        let configuration = try world.configuration()
        let connection = RedisConnection(configuration)
        let other = RedisConnection(configuration)
        guard case .integer(let id) = try await connection.send("CLIENT", "ID") else { Issue.record("no id"); return }
        try await other.send("CLIENT", "KILL", "ID", String(id))
        #expect(try await connection.send("PING").text == "PONG")
        #expect(await connection.generation == 2)
    }

    @Test("a take whose connection is cut says so, and the next one works", arguments: BrokerWorld.servers)
    func cutWhileWaiting(_ world: BrokerWorld) async throws {
        var configuration = try world.configuration()
        let other = RedisConnection(configuration)
        let name = "cut-\(JobID())"  // a user of its own tells this test's client from all others
        try await other.send("ACL", "SETUSER", name, "on", ">pw", "~*", "&*", "+@all")
        configuration.user = name
        configuration.password = "pw"
        let broker = RedisBroker(configuration, prefix: TestServers.freshPrefix())
        async let failure = queueError {
            _ = try await broker.take(from: [Self.list], atMost: 1, timeout: .seconds(60))
        }
        try await eventually("the blocked client is found and cut") {
            let clients = try await other.send("CLIENT", "LIST").text ?? ""
            let words = clients.split(separator: "\n").map { $0.split(separator: " ") }
            guard let client = words.first(where: { $0.contains("user=\(name)") && $0.contains("cmd=blmpop") }),
                let id = client.first?.dropFirst(3)
            else { return false }
            return try await other.send("CLIENT", "KILL", "ID", String(id)) == .integer(1)
        }
        #expect(try await failure.code == .unavailable)
        let id = JobID()
        try await broker.push([id], to: Self.list)
        #expect(try await broker.take(from: [Self.list], atMost: 1, timeout: .seconds(5)) == [id])
        try await other.send("ACL", "DELUSER", name)
    }

    @Test("a server that accepts and says nothing holds a command for its time limit and no longer")
    func silent() async throws {
        let listener = try SilentListener()
        let configuration = RedisConfiguration(port: listener.port, connectTimeout: .milliseconds(200))
        let started = ContinuousClock.now
        let connection = RedisConnection(configuration)
        let error = try await queueError { try await connection.send("PING") }
        #expect(error.code == .unavailable && error.message.contains("in time"))
        #expect(ContinuousClock.now - started < .seconds(60))
    }

    @Test("a port where nobody listens, and a host that is not there, name themselves")
    func absent() async throws {
        for (host, port) in [("127.0.0.1", 1), ("no-such-host.invalid", 6379)] {
            let broker = RedisBroker(RedisConfiguration(host: host, port: port))
            let error = try await queueError { try await broker.push([JobID()], to: Self.list) }
            #expect(error.code == .unavailable && error.message.contains("\(host):\(port)"))
        }
    }

    @Test("attempts to connect pause, longer each time, and a cancelled task does not wait for them")
    func pauses() async throws {
        let connection = RedisConnection(RedisConfiguration(port: 1))
        let started = ContinuousClock.now
        for _ in 0..<6 { _ = try await queueError { try await connection.send("PING") } }
        let waited = ContinuousClock.now - started
        #expect(waited >= .milliseconds(50 + 100 + 200 + 400 + 800))
        // The next pause is 1.6 s.
        let cancelled = Task { try await queueError { try await connection.send("PING") } }
        cancelled.cancel()
        #expect(try await cancelled.value.message.contains("no connection"))
    }

    @Test("entries that are no ids are dropped, and the wait goes on")
    func garbage() async throws {
        let configuration = try BrokerWorld.plain.configuration()
        let prefix = TestServers.freshPrefix()
        let broker = RedisBroker(configuration, prefix: prefix)
        let connection = RedisConnection(configuration)
        let id = JobID()
        try await connection.send("RPUSH", "\(prefix):{q}:r:a:2", "short", String(repeating: "long", count: 10), "")
        async let taken = broker.take(from: [Self.list], atMost: 2, timeout: .seconds(20))
        try await broker.push([id], to: Self.list)
        #expect(try await taken == [id])
    }

    @Test("a key of another type is an error, not a wait")
    func wrongType() async throws {
        let configuration = try BrokerWorld.plain.configuration()
        let prefix = TestServers.freshPrefix()
        let broker = RedisBroker(configuration, prefix: prefix)
        let connection = RedisConnection(configuration)
        try await connection.send("SET", "\(prefix):{q}:r:a:2", "text", "EX", "60")
        for failure in [
            try await queueError { try await broker.push([JobID()], to: Self.list) },
            try await queueError { _ = try await broker.take(from: [Self.list], atMost: 1, timeout: .seconds(20)) },
            try await queueError { _ = try await broker.lengths(of: [Self.list]) },
        ] { #expect(failure.code == .unavailable && failure.message.contains("WRONGTYPE")) }
    }

    @Test("hints of another release are skipped")
    func unknownHints() async throws {
        let configuration = try BrokerWorld.plain.configuration()
        let prefix = TestServers.freshPrefix()
        let broker = RedisBroker(configuration, prefix: prefix)
        let connection = RedisConnection(configuration)
        let stream = try await broker.hints()
        for text in ["", "cancel", "cancel nobody", "pause now", "explode \(JobID())", "pause"] {
            try await connection.send("PUBLISH", "\(prefix):ctl", text)
        }
        var iterator = stream.makeAsyncIterator()
        #expect(await iterator.next() == .pause)
    }

    @Test("an eviction policy that loses lists is warned about")
    func policy() async throws {
        let configuration = try BrokerWorld.plain.configuration()
        #expect(try await RedisBroker(configuration).policyWarning() == nil)
        let server = try PrivateRedis(["--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"])
        let broker = RedisBroker(RedisConfiguration(port: server.port))
        var warning: String?
        try await eventually("the private server answers") {
            do { warning = try await broker.policyWarning() } catch { return false }
            return true
        }
        #expect(warning?.contains("allkeys-lru") == true && warning?.contains("noeviction") == true)
    }

    @Test("cached values live for their time, and too large ones are not kept")
    func cache() async throws {
        let cache = RedisCache(try BrokerWorld.plain.configuration(), prefix: TestServers.freshPrefix())
        #expect(try await cache.value("k") == nil)
        #expect(try await cache.keep([1, 2, 0], as: "k", for: .seconds(60)))
        #expect(try await cache.value("k") == [1, 2, 0])
        try await cache.forget("k")
        #expect(try await cache.value("k") == nil)
        #expect(try await cache.keep([9], as: "short", for: .milliseconds(30)))
        try await eventually("the value is gone") { try await cache.value("short") == nil }
        let large = [UInt8](repeating: 0, count: RedisCache.valueBytesMax + 1)
        #expect(try await !cache.keep(large, as: "large", for: .seconds(60)))
        #expect(try await cache.value("large") == nil)
    }

    @Test("every part of a URL is taken")
    func url() throws {
        let read = try RedisConfiguration(
            url: "rediss://us%40er:p%2Fw%3A%40@redis.example:6390/2?ca=/ca.pem&command_timeout=9")
        #expect(read.user == "us@er" && read.password == "p/w:@" && read.host == "redis.example" && read.port == 6390)
        #expect(read.database == 2 && read.usesTLS && read.caFile == "/ca.pem" && read.commandTimeout == .seconds(9))
        let small = try RedisConfiguration(url: "redis://:pw@[::1]")
        #expect(
            small.user == nil && small.password == "pw" && small.host == "::1" && small.port == 6379 && !small.usesTLS)
    }

    @Test(
        "a wrong URL is refused with the part at fault, and never repeated",
        arguments: [
            ("http://:secret@h", "http"), ("redis://:secret@", "host"), ("redis://:secret@h/x", "'x'"),
            ("redis://:secret@h/-1", "'-1'"), ("redis://:secret@h?ca=/x", "rediss"),
            ("redis://:secret@h?tls=1", "'tls'"),
            ("redis://user@h", "password"), ("rediss://:secret@h?connect_timeout=x", "connect_timeout"),
        ])
    func wrongURL(_ url: String, _ word: String) async throws {
        let error = try await queueError { _ = try RedisConfiguration(url: url) }
        #expect(error.code == .invalid)
        #expect(error.message.contains(word) && !error.message.contains("secret"))
    }
}

extension RedisConnection {
    @discardableResult
    nonisolated func send(_ words: String...) async throws -> RedisReply {
        try await command(words.map { Array($0.utf8) })
    }
}
