import CPostgres
import Glibc

/// Why a call on a session ended without a result.
enum PostgresFailure: Error {
    /// The server said no; the session is still good unless the error ends it.
    case refused(PostgresError)
    /// The session is gone or cannot be trusted any more; whether the statement ran is unknown if it was sent.
    case lost(String)
}

/// One session with the server: blocking calls with a deadline each, for use on one thread at a time.
@safe
final class PostgresSession {
    /// A session keeps at most this many prepared statements: each holds memory in the server.
    private static let preparedMax = 400

    private struct Prepared {
        let name: String
        let typeIDs: [UInt32]
    }

    private let pointer: OpaquePointer
    private var prepared: [String: [Prepared]] = [:]
    private var preparedCount = 0

    private init(owning pointer: OpaquePointer) { unsafe self.pointer = unsafe pointer }

    deinit { unsafe PQfinish(pointer) }

    // MARK: Opening

    /// Connects and logs in.
    /// - Throws: `PostgresFailure`; never with the password in it.
    static func open(
        _ parameters: [(keyword: String, value: String)], deadline: ContinuousClock.Instant
    ) throws -> PostgresSession {
        let started = unsafe withCStrings(parameters.map(\.keyword)) { keywords in
            unsafe withCStrings(parameters.map(\.value)) { values in unsafe PQconnectStartParams(keywords, values, 0) }
        }
        guard let pointer = unsafe started else { throw PostgresFailure.lost("out of memory") }
        let session = unsafe PostgresSession(owning: pointer)
        // Verbose messages carry the SQLSTATE, which libpq gives in no other way before the login is done.
        unsafe PQsetErrorVerbosity(pointer, PQERRORS_VERBOSE)
        // A NOTICE is advice for a person at a terminal; libpq would print it to standard error.
        unsafe PQsetNoticeReceiver(pointer, { _, _ in }, nil)
        try session.finishOpening(deadline: deadline)
        unsafe PQsetErrorVerbosity(pointer, PQERRORS_DEFAULT)
        unsafe PQsetnonblocking(pointer, 1)
        return session
    }

    private func finishOpening(deadline: ContinuousClock.Instant) throws {
        if unsafe PQstatus(pointer) == CONNECTION_BAD { throw openingFailure() }
        var wanted = Int16(POLLOUT)
        while true {
            try wait(for: wanted, until: deadline)
            switch unsafe PQconnectPoll(pointer) {
            case PGRES_POLLING_OK: return
            case PGRES_POLLING_READING: wanted = Int16(POLLIN)
            case PGRES_POLLING_WRITING: wanted = Int16(POLLOUT)
            default: throw openingFailure()
            }
        }
    }

    /// The server's own words come as `… FATAL:  28P01: password authentication failed …` and a LOCATION line.
    private func openingFailure() -> PostgresFailure {
        let lines = lastMessage.split(separator: "\n").filter { !$0.hasPrefix("LOCATION:") }
        let text = lines.joined(separator: " ")
        let words = text.split(separator: " ", omittingEmptySubsequences: true)
        for (index, word) in words.enumerated() where word.count == 6 && word.last == ":" {
            let state = word.dropLast()
            guard state.contains(where: \.isNumber), state.allSatisfy({ $0.isASCII && ($0.isNumber || $0.isUppercase) })
            else { continue }
            let message = words[(index + 1)...].joined(separator: " ")
            return .refused(PostgresError(sqlState: String(state), severity: "FATAL", message: message))
        }
        return .lost(text.isEmpty ? "no connection" : text)
    }

    // MARK: State

    /// Looks, without waiting, whether the server ended the session while it was idle.
    func isStillOpen() -> Bool {
        var descriptor = pollfd(fd: unsafe PQsocket(pointer), events: Int16(POLLIN), revents: 0)
        while unsafe poll(&descriptor, 1, 0) > 0 {
            let before = descriptor.revents
            guard unsafe PQconsumeInput(pointer) == 1 else { return false }
            _ = unsafe PQisBusy(pointer)  // reads settings and notices that came meanwhile
            if unsafe PQstatus(pointer) != CONNECTION_OK || before & Int16(POLLHUP | POLLERR) != 0 { return false }
        }
        return unsafe PQstatus(pointer) == CONNECTION_OK
    }

    var isIdle: Bool { unsafe PQtransactionStatus(pointer) == PQTRANS_IDLE }

    /// Whether a statement of the open transaction failed, so that it can only be rolled back.
    var isInFailedTransaction: Bool { unsafe PQtransactionStatus(pointer) == PQTRANS_INERROR }

    private var lastMessage: String {
        unsafe PQerrorMessage(pointer).map { unsafe String(cString: $0) }?.trimmed ?? ""
    }

    // MARK: Statements

    /// Prepares the statement once per session and set of types, and runs it.
    func runPrepared(
        _ sql: String, _ parameters: EncodedParameters, deadline: ContinuousClock.Instant
    ) throws -> PostgresResult {
        let name = try preparedName(sql, parameters, deadline: deadline)
        let sent = unsafe parameters.withPointers { values, lengths, formats in
            unsafe PQsendQueryPrepared(pointer, name, Int32(parameters.offsets.count), values, lengths, formats, 0)
        }
        return try result(sent: sent, deadline: deadline)
    }

    /// Runs the statement without keeping anything in the server.
    func runOnce(
        _ sql: String, _ parameters: EncodedParameters, deadline: ContinuousClock.Instant
    ) throws -> PostgresResult {
        let sent = unsafe parameters.withPointers { values, lengths, formats in
            unsafe PQsendQueryParams(
                pointer, sql, Int32(parameters.offsets.count), parameters.typeIDs, values, lengths, formats, 0)
        }
        return try result(sent: sent, deadline: deadline)
    }

    /// Runs any number of statements, separated by semicolons, as one simple query.
    func runScript(_ sql: String, deadline: ContinuousClock.Instant) throws {
        _ = try result(sent: unsafe PQsendQuery(pointer, sql), deadline: deadline)
    }

    /// Forgets every prepared statement, here and in the server.
    func forgetPrepared(deadline: ContinuousClock.Instant) throws {
        prepared = [:]
        preparedCount = 0
        try runScript("DEALLOCATE ALL", deadline: deadline)
    }

    private func preparedName(
        _ sql: String, _ parameters: EncodedParameters, deadline: ContinuousClock.Instant
    ) throws -> String {
        if let known = prepared[sql]?.first(where: { parameters.fits($0.typeIDs) }) { return known.name }
        if preparedCount >= Self.preparedMax { try forgetPrepared(deadline: deadline) }
        let name = "s\(preparedCount)"
        let sent = unsafe PQsendPrepare(pointer, name, sql, Int32(parameters.typeIDs.count), parameters.typeIDs)
        _ = try result(sent: sent, deadline: deadline)
        prepared[sql, default: []].append(Prepared(name: name, typeIDs: parameters.typeIDs))
        preparedCount += 1
        return name
    }

    /// Sends what is left to send and reads up to the last result.
    private func result(sent: Int32, deadline: ContinuousClock.Instant) throws -> PostgresResult {
        guard sent == 1 else { throw PostgresFailure.lost(lastMessage) }
        try flush(deadline: deadline)
        var last: PostgresResult?
        var refusal: PostgresError?
        while true {
            while unsafe PQisBusy(pointer) == 1 {
                try wait(for: Int16(POLLIN), until: deadline)
                guard unsafe PQconsumeInput(pointer) == 1 else { throw PostgresFailure.lost(lastMessage) }
            }
            guard let next = unsafe PQgetResult(pointer) else { break }
            let result = unsafe PostgresResult(owning: next)
            switch unsafe PQresultStatus(next) {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: last = result
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
                throw PostgresFailure.lost("COPY is not supported by this driver")
            default:
                guard let error = result.error else { throw PostgresFailure.lost(lastMessage) }
                refusal = refusal ?? error
            }
        }
        if let refusal { throw PostgresFailure.refused(refusal) }
        guard let last else { throw PostgresFailure.lost(lastMessage.isEmpty ? "no result" : lastMessage) }
        return last
    }

    private func flush(deadline: ContinuousClock.Instant) throws {
        while true {
            switch unsafe PQflush(pointer) {
            case 0: return
            case 1:
                // The server may want to be read from before it goes on reading.
                if try wait(for: Int16(POLLIN | POLLOUT), until: deadline) & Int16(POLLIN) != 0 {
                    guard unsafe PQconsumeInput(pointer) == 1 else { throw PostgresFailure.lost(lastMessage) }
                }
            default: throw PostgresFailure.lost(lastMessage)
            }
        }
    }

    /// Waits until the socket is ready. This limit holds also when the server is stopped or the network swallows packets.
    @discardableResult
    private func wait(for events: Int16, until deadline: ContinuousClock.Instant) throws -> Int16 {
        var descriptor = pollfd(fd: unsafe PQsocket(pointer), events: events, revents: 0)
        guard descriptor.fd >= 0 else { throw PostgresFailure.lost("the connection is closed") }
        while true {
            let remaining = ContinuousClock.now.duration(to: deadline)
            guard remaining > .zero else { throw PostgresFailure.lost("no answer in time") }
            let count = unsafe poll(&descriptor, 1, remaining.wholeMilliseconds)
            if count > 0 { return descriptor.revents }
            if count < 0 && errno != EINTR { throw PostgresFailure.lost("poll failed with errno \(errno)") }
        }
    }
}

extension String {
    fileprivate var trimmed: String {
        var text = self[...]
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text)
    }
}
