import COpenSSL
import Glibc

/// TLS over a connected, non-blocking socket, with OpenSSL. The server's certificate and name are always checked.
@safe
final class TLSSession {
    private let context: OpaquePointer
    private let ssl: OpaquePointer
    private let host: String

    /// - Parameters:
    ///   - host: sent as the server's name, and compared with the certificate: a name or an address.
    ///   - caFile: PEM with the trusted authorities; nil means the system's.
    init(_ descriptor: Int32, host: String, caFile: String?) throws {
        ERR_clear_error()
        guard let context = unsafe SSL_CTX_new(TLS_client_method()) else { throw TLSSession.failure("no TLS context") }
        guard let ssl = try unsafe TLSSession.prepare(context, descriptor, host, caFile) else {
            unsafe SSL_CTX_free(context)
            throw TLSSession.failure("no TLS session")
        }
        unsafe self.context = unsafe context
        unsafe self.ssl = unsafe ssl
        self.host = host
    }

    deinit {
        unsafe SSL_free(ssl)
        unsafe SSL_CTX_free(context)
    }

    private static func prepare(
        _ context: OpaquePointer, _ descriptor: Int32, _ host: String, _ caFile: String?
    ) throws -> OpaquePointer? {
        unsafe swift_ssl_context_set_min_version(context, TLS1_2_VERSION)
        unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        let loaded =
            if let caFile {
                unsafe SSL_CTX_load_verify_locations(context, caFile, nil)
            } else {
                unsafe SSL_CTX_set_default_verify_paths(context)
            }
        guard loaded == 1 else {
            unsafe SSL_CTX_free(context)
            throw failure("cannot read the authorities from \(caFile ?? "the system")")
        }
        guard let ssl = unsafe SSL_new(context) else { return nil }
        let named =
            if isAddress(host) {
                unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1
            } else {
                unsafe SSL_set1_host(ssl, host) == 1 && swift_ssl_set_server_name(ssl, host) == 1
            }
        guard named, unsafe SSL_set_fd(ssl, descriptor) == 1 else {
            unsafe SSL_free(ssl)
            return nil
        }
        unsafe swift_ssl_set_mode(ssl, Int(SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER))
        return unsafe ssl
    }

    private static func isAddress(_ host: String) -> Bool {
        var bytes = in6_addr()
        return unsafe inet_pton(AF_INET, host, &bytes) == 1 || inet_pton(AF_INET6, host, &bytes) == 1
    }

    func handshake() throws -> TransferStep {
        ERR_clear_error()
        return try step(unsafe SSL_connect(ssl)) {
            let verdict = unsafe SSL_get_verify_result(ssl)
            guard verdict != Int(X509_V_OK) else { return TLSSession.failure("TLS handshake with '\(host)' failed") }
            let why = unsafe String(cString: X509_verify_cert_error_string(verdict))
            return .lost("the certificate of '\(host)' is not accepted: \(why)")
        }
    }

    func read(_ bytes: UnsafeMutableRawBufferPointer) throws -> TransferStep {
        ERR_clear_error()
        let count = unsafe SSL_read(ssl, bytes.baseAddress, Int32(clamping: bytes.count))
        return try step(count) { TLSSession.failure("TLS read failed") }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws -> TransferStep {
        ERR_clear_error()
        let count = unsafe SSL_write(ssl, bytes.baseAddress, Int32(clamping: bytes.count))
        return try step(count) { TLSSession.failure("TLS write failed") }
    }

    private func step(_ result: Int32, _ failure: () -> RedisFailure) throws -> TransferStep {
        if result > 0 { return .count(Int(result)) }
        switch unsafe SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return .wait(Int16(POLLIN))
        case SSL_ERROR_WANT_WRITE: return .wait(Int16(POLLOUT))
        case SSL_ERROR_ZERO_RETURN: throw RedisFailure.lost("the server closed the connection")
        case SSL_ERROR_SYSCALL where ERR_peek_error() == 0: throw RedisFailure.lost("the server closed the connection")
        default: throw failure()
        }
    }

    /// What happened, and OpenSSL's own reason.
    private static func failure(_ what: String) -> RedisFailure {
        let reason = unsafe ERR_reason_error_string(ERR_peek_error()).map { unsafe String(cString: $0) }
        return .lost(what + (reason.map { ": \($0)" } ?? ""))
    }
}
