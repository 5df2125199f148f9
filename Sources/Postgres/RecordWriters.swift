import JobQueue

/// How records become rows: one statement per record kind, registered by the stores of the product above.
///
/// A statement takes `$1::text[]` keys, `$2::jsonb[]` values, `$3::text` the tenant of the job and `$4::uuid` the job,
/// and must give the same rows when it is run twice.
public struct RecordWriters: Sendable {
    private let statements: [String: String]

    /// Registers statements by record kind.
    public init(_ statements: [String: String] = [:]) { self.statements = statements }

    /// The record kinds that can be written, sorted.
    public var kinds: [String] { statements.keys.sorted() }

    /// The statements, for the test that prepares them all.
    public var all: [String] { statements.sorted { $0.key < $1.key }.map(\.value) }

    /// Writes records inside the caller's transaction, kind by kind in the order of the kinds' names.
    /// - Throws: `invalid` for a kind without a statement: nothing is stored then.
    func write(
        _ records: [Record], tenant: String, job: JobID, on connection: isolated PostgresConnection
    ) throws {
        for (kind, group) in Dictionary(grouping: records, by: \.kind).sorted(by: { $0.key < $1.key }) {
            guard let statement = statements[kind] else {
                throw QueueError(.invalid, "no statement is registered for records of kind '\(kind)'; known: \(kinds)")
            }
            try connection.execute(
                statement,
                [.textArray(group.map(\.key)), .jsonArray(group.map(\.value)), .text(tenant), .uuid(job)])
        }
    }
}
