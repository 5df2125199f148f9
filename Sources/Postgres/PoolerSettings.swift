import JobQueue

/// What sessions cannot set for themselves behind a pooler in transaction mode, set on the role instead.
public enum PoolerSettings {
    /// Sets the schema and our session settings for the connected role in this database. Sessions that a pooler has open
    /// keep what they had: it must reconnect.
    /// - Returns: the role.
    public static func apply(on connection: PostgresConnection, schema: String) async throws -> String {
        guard schema.wholeMatch(of: /[a-z_][a-z0-9_]{0,62}/) != nil else {
            throw QueueError(.invalid, "schema '\(schema)': wanted lower-case letters, digits and underscores")
        }
        return try await connection.transaction { connection in
            let row = try connection.query(
                "SELECT current_user, quote_ident(current_user), quote_ident(current_database())"
            ).first
            guard let row else { throw QueueError(.unavailable, "the database does not say who we are") }
            let (role, database) = (try row.string(1), try row.string(2))
            for (name, value) in PostgresConfiguration.sessionSettings + [("search_path", schema)] {
                try connection.script("ALTER ROLE \(role) IN DATABASE \(database) SET \(name) = '\(value)'")
            }
            return try row.string(0)
        }
    }
}
