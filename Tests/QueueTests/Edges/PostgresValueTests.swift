import Foundation
import JobQueue
import Postgres
import Testing

@Suite("Postgres values") struct PostgresValueTests {
    static let texts = [
        "", "plain", "it's \"quoted\" {a,b} \\ back", "żółć 🚀 日本", "NULL", " spaced ", "line\nbreak\ttab",
    ]

    @Test("text comes back as it was sent", arguments: texts)
    func text(_ text: String) async throws {
        let connection = try await TestServers.connect()
        let rows = try await connection.query("SELECT $1::text, ARRAY[$1::text, NULL]", [.text(text)])
        #expect(rows[0].text(0) == text)
        #expect(try rows[0].textArray(1) == [text, nil])
    }

    @Test("numbers come back to the last bit", arguments: [0, 1, -1, .max, .min] as [Int64])
    func integers(_ number: Int64) async throws {
        let row = try await one("SELECT $1, ARRAY[$1, NULL]", [.int(number)])
        #expect(try row.int(0) == number)
        #expect(try row.intArray(1) == [number, nil])
    }

    @Test("doubles come back to the last bit", arguments: [0, -0.1, 1e300, .pi, .leastNonzeroMagnitude, .infinity])
    func doubles(_ number: Double) async throws {
        #expect(try await one("SELECT $1", [.double(number)]).double(0) == number)
    }

    @Test(
        "instants come back to the microsecond",
        arguments: [0, -1.5, 951_827_696.789_012, 4_102_444_800, -62_135_596_800])
    func instants(_ seconds: Double) async throws {
        let date = Date(timeIntervalSince1970: seconds)
        let row = try await one("SELECT $1, $2::timestamptz[]", [.date(date), .dateArray([date, nil])])
        #expect(abs(try row.date(0).timeIntervalSince(date)) < 1e-6)
        #expect(row.text(1)?.hasSuffix(",NULL}") == true)
    }

    @Test(
        "an instant is read with whatever offset the session writes", arguments: ["+00", "+05:30", "-03:30", "+12:45"])
    func offsets(_ offset: String) async throws {
        let connection = try await TestServers.connect()
        let sign = offset.hasPrefix("+") ? "-" : "+"  // POSIX zones count the other way round
        try await connection.script("SET TIME ZONE 'X\(sign)\(offset.dropFirst())'")
        let row = try await connection.query("SELECT '2026-03-01 10:00:00.5+00'::timestamptz")[0]
        #expect(row.text(0)?.hasSuffix(offset) == true)
        #expect(try row.date(0) == Date(timeIntervalSince1970: 1_772_359_200.5))
    }

    @Test("bytes, booleans, uuids and documents come back as they were sent")
    func others() async throws {
        let id = JobID()
        let bytes = (0...255).map { UInt8($0) }
        let json = JSONText(text: #"{"a": [1, null, "ü\"\\"]}"#)
        let row = try await one(
            "SELECT $1, $2, $3, $4, $5", [.bytes(bytes), .bool(true), .bool(false), .uuid(id), .json(json)])
        #expect(try row.bytes(0) == bytes)
        #expect(try row.bool(1))
        #expect(try !row.bool(2))
        #expect(try row.uuid(3) == id)
        #expect(try row.json(4) == json)
    }

    @Test("NULL is nil, and an error that names the column where a value is wanted")
    func nulls() async throws {
        let row = try await one("SELECT $1::int AS answer", [.null])
        #expect(row.isNull(0))
        #expect(row[0] == nil)
        #expect(try row.intIfPresent(0) == nil)
        let error = try await queueError { _ = try row.int(0) }
        #expect(error.message.contains("answer"))
    }

    @Test("a value of another form is an error that names column and value")
    func misfits() async throws {
        let row = try await one("SELECT 'seven' AS answer")
        for read in [
            { _ = try row.int(0) }, { _ = try row.uuid(0) }, { _ = try row.date(0) }, { _ = try row.bytes(0) },
        ] {
            let error = try await queueError { try read() }
            #expect(error.code == .invalid)
            #expect(error.message.contains("answer") && error.message.contains("seven"))
        }
    }

    @Test("arrays of every type hold nulls, and may be empty")
    func arrays() async throws {
        let connection = try await TestServers.connect()
        let texts: [String?] = Self.texts.map { $0 } + [nil]
        let row = try await connection.query(
            "SELECT $1, $2, $3, $4, $5, $6, $7",
            [
                .textArray(texts), .intArray([1, nil, -3]), .doubleArray([0.5, nil]), .boolArray([true, nil, false]),
                .jsonArray([JSONText(text: #"{"k": "v"}"#), nil]), .byteaArray([[0, 255], nil, []]), .textArray([]),
            ])[0]
        #expect(try row.textArray(0) == texts)
        #expect(try row.intArray(1) == [1, nil, -3])
        #expect(try row.doubleArray(2) == [0.5, nil])
        #expect(row.text(3) == "{t,NULL,f}")
        #expect(try row.textArray(4) == [#"{"k": "v"}"#, nil])
        #expect(row.text(5) == #"{"\\x00ff",NULL,"\\x"}"#)
        #expect(try row.textArray(6).isEmpty)
    }

    @Test("ten thousand uuids go there and come back in order")
    func manyIDs() async throws {
        let ids = (0..<10_000).map { _ in JobID() }
        let connection = try await TestServers.connect()
        let rows = try await connection.query(
            "SELECT id FROM unnest($1) WITH ORDINALITY AS t(id, n) ORDER BY n", [.uuidArray(ids)])
        #expect(try rows.map { try $0.uuid(0) } == ids)
        let row = try await connection.query("SELECT $1, $2", [.uuidArray(ids), .optionalUUIDArray([ids[0], nil])])[0]
        #expect(try row.uuidArray(0) == ids)
        #expect(row.text(1) == "{\(ids[0]),NULL}")
    }

    @Test("rows outlive their connection")
    func rowsOutlive() async throws {
        let connection = try await TestServers.connect()
        let rows = try await connection.query("SELECT g::text FROM generate_series(1, 1000) g")
        await connection.close()
        #expect(rows.compactMap { $0.text(0) } == (1...1000).map(String.init))
    }

    @Test("text with a NUL character is refused before it is sent")
    func nulCharacter() async throws {
        let connection = try await TestServers.connect()
        let error = try await queueError { _ = try await connection.query("SELECT 1, $1", [.text("a\0b")]) }
        #expect(error.code == .invalid && error.message.contains("$1"))
        #expect(try await connection.query("SELECT 1").count == 1)
    }

    private func one(_ sql: String, _ parameters: [PostgresValue] = []) async throws -> PostgresRow {
        let connection = try await TestServers.connect()
        return try #require(try await connection.query(sql, parameters).first)
    }
}
