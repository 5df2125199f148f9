import Foundation
import JobQueue

/// A parameter of a statement.
///
/// Text and null are sent without a type, so `$1` takes the type its place in the statement wants (an enum, an
/// interval, a timestamp …). Everything else is sent with its own type; write `$1::int` where a narrower one is needed.
public enum PostgresValue: Sendable {
    /// NULL.
    case null
    /// Text, or the text form of any type.
    case text(String)
    /// bigint.
    case int(Int64)
    /// double precision.
    case double(Double)
    /// boolean.
    case bool(Bool)
    /// bytea.
    case bytes([UInt8])
    /// uuid.
    case uuid(JobID)
    /// jsonb.
    case json(JSONText)
    /// timestamptz, to the microsecond.
    case date(Date)
    /// text[].
    case textArray([String?])
    /// bigint[].
    case intArray([Int64?])
    /// uuid[].
    case uuidArray([JobID])
    /// uuid[] with nulls.
    case optionalUUIDArray([JobID?])
    /// double precision[].
    case doubleArray([Double?])
    /// boolean[].
    case boolArray([Bool?])
    /// jsonb[].
    case jsonArray([JSONText?])
    /// bytea[].
    case byteaArray([[UInt8]?])
    /// timestamptz[].
    case dateArray([Date?])
}

/// Object ids of built-in types; source: src/include/catalog/pg_type.dat.
enum TypeID {
    static let unknown: UInt32 = 0
    static let bool: UInt32 = 16
    static let bytea: UInt32 = 17
    static let int8: UInt32 = 20
    static let text: UInt32 = 25
    static let float8: UInt32 = 701
    static let timestamptz: UInt32 = 1184
    static let uuid: UInt32 = 2950
    static let jsonb: UInt32 = 3802
    static let boolArray: UInt32 = 1000
    static let byteaArray: UInt32 = 1001
    static let textArray: UInt32 = 1009
    static let int8Array: UInt32 = 1016
    static let float8Array: UInt32 = 1022
    static let timestamptzArray: UInt32 = 1185
    static let uuidArray: UInt32 = 2951
    static let jsonbArray: UInt32 = 3807
}

extension PostgresValue {
    var isNull: Bool {
        if case .null = self { true } else { false }
    }

    var typeID: UInt32 {
        switch self {
        case .null, .text: TypeID.unknown
        case .int: TypeID.int8
        case .double: TypeID.float8
        case .bool: TypeID.bool
        case .bytes: TypeID.bytea
        case .uuid: TypeID.uuid
        case .json: TypeID.jsonb
        case .date: TypeID.timestamptz
        case .textArray: TypeID.textArray
        case .intArray: TypeID.int8Array
        case .uuidArray, .optionalUUIDArray: TypeID.uuidArray
        case .doubleArray: TypeID.float8Array
        case .boolArray: TypeID.boolArray
        case .jsonArray: TypeID.jsonbArray
        case .byteaArray: TypeID.byteaArray
        case .dateArray: TypeID.timestamptzArray
        }
    }
}

/// The parameters of one execution in libpq's form: one buffer, and where each value lies in it.
struct EncodedParameters {
    private(set) var buffer: [UInt8] = []
    /// Nil for NULL.
    private(set) var offsets: [Int?] = []
    private(set) var lengths: [Int32] = []
    /// 0 text, 1 binary.
    private(set) var formats: [Int32] = []
    let typeIDs: [UInt32]

    init(_ values: [PostgresValue]) throws {
        typeIDs = values.map(\.typeID)
        for (index, value) in values.enumerated() {
            let start = buffer.count
            formats.append(try append(value, number: index + 1))
            offsets.append(value.isNull ? nil : start)
            guard let length = Int32(exactly: buffer.count - start) else {
                throw QueueError(.invalid, "parameter $\(index + 1) is over 2 GiB")
            }
            lengths.append(length)
            buffer.append(0)  // ends text values; harmless behind binary ones
        }
    }

    private mutating func append(_ value: PostgresValue, number: Int) throws -> Int32 {
        switch value {
        case .null: return 0
        case .text(let text):
            guard !text.utf8.contains(0) else {
                throw QueueError(.invalid, "parameter $\(number) has a NUL character, which Postgres cannot store")
            }
            buffer.append(contentsOf: text.utf8)
            return 0
        case .int(let number): buffer.append(bigEndian: number)
        case .double(let number): buffer.append(bigEndian: number.bitPattern)
        case .bool(let flag): buffer.append(flag ? 1 : 0)
        case .bytes(let bytes): buffer.append(contentsOf: bytes)
        case .uuid(let id): buffer.append(id: id)
        case .json(let json): buffer.append(jsonb: json)
        case .date(let date): buffer.append(bigEndian: try PostgresTime.microseconds(date))
        case .textArray(let items): appendArray(items, of: TypeID.text) { $0.append(contentsOf: $1.utf8) }
        case .intArray(let items): appendArray(items, of: TypeID.int8) { $0.append(bigEndian: $1) }
        case .uuidArray(let items): appendArray(items, of: TypeID.uuid) { $0.append(id: $1) }
        case .optionalUUIDArray(let items): appendArray(items, of: TypeID.uuid) { $0.append(id: $1) }
        case .doubleArray(let items): appendArray(items, of: TypeID.float8) { $0.append(bigEndian: $1.bitPattern) }
        case .boolArray(let items): appendArray(items, of: TypeID.bool) { $0.append($1 ? 1 : 0) }
        case .jsonArray(let items): appendArray(items, of: TypeID.jsonb) { $0.append(jsonb: $1) }
        case .byteaArray(let items): appendArray(items, of: TypeID.bytea) { $0.append(contentsOf: $1) }
        case .dateArray(let items):
            let times = try items.map { try $0.map(PostgresTime.microseconds) }
            appendArray(times, of: TypeID.timestamptz) { $0.append(bigEndian: $1) }
        }
        return 1
    }

    /// Source: array_recv in src/backend/utils/adt/arrayfuncs.c: dimensions, has-nulls flag, element type, size, lower bound.
    private mutating func appendArray<Item>(
        _ items: [Item?], of typeID: UInt32, _ appendItem: (inout [UInt8], Item) -> Void
    ) {
        let hasNulls = items.contains { $0 == nil }
        buffer.append(bigEndian: Int32(items.isEmpty ? 0 : 1))
        buffer.append(bigEndian: Int32(hasNulls ? 1 : 0))
        buffer.append(bigEndian: typeID)
        if items.isEmpty { return }
        buffer.append(bigEndian: Int32(truncatingIfNeeded: items.count))
        buffer.append(bigEndian: Int32(1))
        for item in items {
            guard let item else {
                buffer.append(bigEndian: Int32(-1))
                continue
            }
            let lengthAt = buffer.count
            buffer.append(bigEndian: Int32(0))
            appendItem(&buffer, item)
            let length = UInt32(truncatingIfNeeded: buffer.count - lengthAt - 4)
            for byte in 0..<4 { buffer[lengthAt + byte] = UInt8(truncatingIfNeeded: length >> (24 - 8 * UInt32(byte))) }
        }
    }
}

extension [UInt8] {
    fileprivate mutating func append(bigEndian number: some FixedWidthInteger) {
        var shift = number.bitWidth - 8
        while shift >= 0 {
            append(UInt8(truncatingIfNeeded: number >> shift))
            shift -= 8
        }
    }

    fileprivate mutating func append(id: JobID) {
        append(bigEndian: id.high)
        append(bigEndian: id.low)
    }

    /// jsonb's binary form is a version byte and the text.
    fileprivate mutating func append(jsonb json: JSONText) {
        append(1)
        append(contentsOf: json.text.utf8)
    }
}
