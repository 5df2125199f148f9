import CPostgres
import Foundation
import JobQueue

/// One result as libpq holds it.
///
/// `@unchecked Sendable`: a PGresult does not change once it is made, and is cleared when the last row of it is gone.
@safe
final class PostgresResult: @unchecked Sendable {
    let pointer: OpaquePointer
    let rowCount: Int
    let columnCount: Int

    init(owning pointer: OpaquePointer) {
        unsafe self.pointer = unsafe pointer
        rowCount = Int(unsafe PQntuples(pointer))
        columnCount = Int(unsafe PQnfields(pointer))
    }

    deinit { unsafe PQclear(pointer) }

    var rows: [PostgresRow] { (0..<rowCount).map { PostgresRow(result: self, index: Int32($0)) } }

    /// The bytes of a field as text; nil for NULL.
    func field<Value>(
        row: Int32, column: Int, _ read: (UnsafeBufferPointer<UInt8>) throws -> Value
    ) rethrows -> Value? {
        precondition(
            column >= 0 && column < columnCount, "the statement returns \(columnCount) columns, not \(column + 1)")
        let column = Int32(column)
        guard unsafe PQgetisnull(pointer, row, column) == 0, let start = unsafe PQgetvalue(pointer, row, column) else {
            return nil
        }
        let count = Int(unsafe PQgetlength(pointer, row, column))
        return try unsafe start.withMemoryRebound(to: UInt8.self, capacity: count) { bytes in
            try unsafe read(UnsafeBufferPointer(start: bytes, count: count))
        }
    }

    func columnName(_ column: Int) -> String {
        unsafe PQfname(pointer, Int32(column)).map { unsafe String(cString: $0) } ?? "?"
    }

    /// What the server says about a failure.
    var error: PostgresError? {
        func field(_ code: Unicode.Scalar) -> String? {
            unsafe PQresultErrorField(pointer, Int32(code.value)).map { unsafe String(cString: $0) }
        }
        guard let state = field("C") else { return nil }
        return PostgresError(
            sqlState: state, severity: field("V") ?? "ERROR", message: field("M") ?? "no message", detail: field("D"),
            hint: field("H"), constraint: field("n"), table: field("t"))
    }

    var affected: Int {
        unsafe PQcmdTuples(pointer).map { Int(unsafe String(cString: $0)) ?? 0 } ?? 0
    }
}

/// A row of a result. Columns are counted from 0, in the order of the statement's list.
///
/// The plain readers throw `QueueError` with code `invalid` for NULL and for a value of another form, naming the column;
/// those that end in `IfPresent` give nil for NULL.
public struct PostgresRow: Sendable {
    let result: PostgresResult
    let index: Int32

    /// The number of columns.
    public var count: Int { result.columnCount }

    /// The value in Postgres' text form; nil for NULL.
    public subscript(column: Int) -> String? { text(column) }

    /// The value in Postgres' text form; nil for NULL.
    public func text(_ column: Int) -> String? {
        unsafe result.field(row: index, column: column) { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// Whether the value is NULL.
    public func isNull(_ column: Int) -> Bool {
        unsafe result.field(row: index, column: column) { _ in true } == nil
    }

    /// Text that must be there.
    public func string(_ column: Int) throws -> String { try present(text(column), column) }

    /// An integer of any width.
    public func int(_ column: Int) throws -> Int64 { try present(intIfPresent(column), column) }
    /// An integer of any width, or nil.
    public func intIfPresent(_ column: Int) throws -> Int64? { try unsafe read(column, "an integer", TextForm.int) }

    /// A floating-point number; integers and numerics are taken as well.
    public func double(_ column: Int) throws -> Double { try present(doubleIfPresent(column), column) }
    /// A floating-point number, or nil.
    public func doubleIfPresent(_ column: Int) throws -> Double? {
        try unsafe read(column, "a number", TextForm.double)
    }

    /// A boolean.
    public func bool(_ column: Int) throws -> Bool { try present(boolIfPresent(column), column) }
    /// A boolean, or nil.
    public func boolIfPresent(_ column: Int) throws -> Bool? { try unsafe read(column, "a boolean", TextForm.bool) }

    /// A uuid.
    public func uuid(_ column: Int) throws -> JobID { try present(uuidIfPresent(column), column) }
    /// A uuid, or nil.
    public func uuidIfPresent(_ column: Int) throws -> JobID? { try unsafe read(column, "a uuid", TextForm.uuid) }

    /// A json or jsonb document.
    public func json(_ column: Int) throws -> JSONText { try present(jsonIfPresent(column), column) }
    /// A json or jsonb document, or nil.
    public func jsonIfPresent(_ column: Int) throws -> JSONText? { text(column).map(JSONText.init(text:)) }

    /// A timestamptz.
    public func date(_ column: Int) throws -> Date { try present(dateIfPresent(column), column) }
    /// A timestamptz, or nil.
    public func dateIfPresent(_ column: Int) throws -> Date? {
        try unsafe read(column, "a timestamptz", PostgresTime.date)
    }

    /// A bytea.
    public func bytes(_ column: Int) throws -> [UInt8] { try present(bytesIfPresent(column), column) }
    /// A bytea, or nil.
    public func bytesIfPresent(_ column: Int) throws -> [UInt8]? { try unsafe read(column, "a bytea", TextForm.bytes) }

    /// A text[] of one dimension, or of anything in its text form.
    public func textArray(_ column: Int) throws -> [String?] {
        try present(unsafe read(column, "an array of one dimension", TextForm.array), column)
    }
    /// An array of integers.
    public func intArray(_ column: Int) throws -> [Int64?] { try array(column, "integers") { TextForm.int($0.utf8) } }
    /// A uuid[] without nulls.
    public func uuidArray(_ column: Int) throws -> [JobID] {
        try array(column, "uuids") { JobID($0) }.map { try present($0, column) }
    }
    /// An array of numbers.
    public func doubleArray(_ column: Int) throws -> [Double?] { try array(column, "numbers") { Double($0) } }

    private func array<Item>(_ column: Int, _ wanted: String, _ item: (String) -> Item?) throws -> [Item?] {
        try textArray(column).map { text in
            guard let text else { return nil }
            guard let value = item(text) else { throw misfit(column, "an array of \(wanted)") }
            return value
        }
    }

    private func read<Value>(
        _ column: Int, _ wanted: String, _ parse: (UnsafeBufferPointer<UInt8>) -> Value?
    ) throws -> Value? {
        try unsafe result.field(row: index, column: column) { bytes in
            guard let value = unsafe parse(bytes) else { throw misfit(column, wanted) }
            return value
        }
    }

    private func present<Value>(_ value: Value?, _ column: Int) throws -> Value {
        guard let value else {
            throw QueueError(.invalid, "column \(column) (\(result.columnName(column))) is NULL, wanted a value")
        }
        return value
    }

    private func misfit(_ column: Int, _ wanted: String) -> QueueError {
        let found = (text(column) ?? "NULL").prefix(40)
        return QueueError(
            .invalid, "column \(column) (\(result.columnName(column))) holds '\(found)', wanted \(wanted)")
    }
}
