import CCurl
import Synchronization

/// One exchange. Its fields belong to the loop's thread once it is submitted; only `isCancelled` is shared.
/// Safe: the handle, its header list and its error text live exactly as long as this object.
@safe
final class Transfer: @unchecked Sendable {
    typealias Head = (status: Int, headers: [(name: String, value: String)])

    enum Destination {
        case nowhere
        case whole(CheckedContinuation<HTTPResponse, any Error>)
        case stream(head: CheckedContinuation<Head, any Error>, BodyBuffer)
        case streaming(BodyBuffer)
    }

    let request: HTTPRequest
    let isCancelled = Atomic<Bool>(false)
    /// When the whole exchange must be over, counted from here on.
    let deadline: ContinuousClock.Instant
    var destination = Destination.nowhere
    private(set) var easy: UnsafeMutableRawPointer?
    /// Freed with the handle.
    var headerList: UnsafeMutablePointer<curl_slist>?
    private let errorText: UnsafeMutablePointer<CChar>

    private var status = 0
    private var headers: [(name: String, value: String)] = []
    private var headerBytes = 0
    private var body: [UInt8] = []
    private var attempts = 0
    /// What a callback refused, told instead of curl's general code.
    private var refusal: HTTPError?

    /// Sum of all header lines; libcurl 7.88 itself has a bound per line only.
    private static let headerBytesMax = 256 << 10

    init(_ request: HTTPRequest) {
        self.request = request
        deadline = .now.advanced(by: request.timeout)
        unsafe errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        unsafe errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    }

    deinit {
        unsafe curl_easy_cleanup(easy)
        unsafe curl_slist_free_all(headerList)
        unsafe errorText.deallocate()
    }

    var title: String { request.description }

    /// Whether a byte of the request has gone out.
    var wasSent: Bool {
        guard unsafe easy != nil else { return false }
        var bytes = 0
        unsafe swift_curl_get_long(easy, CURLINFO_REQUEST_SIZE, &bytes)
        return bytes > 0
    }

    /// Makes the handle with all its options.
    func prepare() throws -> UnsafeMutableRawPointer {
        guard let easy = unsafe curl_easy_init() else { throw HTTPError(.network, "\(title): libcurl has no memory") }
        unsafe self.easy = easy
        unsafe swift_curl_set_pointer(easy, CURLOPT_ERRORBUFFER, errorText)
        try unsafe configure(easy)
        return unsafe easy
    }

    // MARK: Callbacks of libcurl, on the loop's thread

    func received(headerLine: String) -> Bool {
        headerBytes += headerLine.utf8.count
        guard headerBytes <= Transfer.headerBytesMax else {
            refusal = HTTPError(
                .tooLarge, "\(title): more than \(Transfer.headerBytesMax) bytes of header",
                mayHaveReachedServer: true)
            return false
        }
        if headerLine.hasPrefix("HTTP/") {
            // A new head: what an interim answer (100, 103) said is over.
            status = Int(headerLine.split(separator: " ", maxSplits: 2).dropFirst().first ?? "") ?? 0
            headers = []
        } else if let colon = headerLine.firstIndex(of: ":") {
            let name = headerLine[..<colon]
            let value = headerLine[headerLine.index(after: colon)...]
            headers.append((String(name), value.trimmingASCIIWhitespace()))
        } else if headerLine.trimmingASCIIWhitespace().isEmpty, status >= 200,
            case .stream(let head, let buffer) = destination
        {
            destination = .streaming(buffer)
            head.resume(returning: (status, headers))
        }
        return true
    }

    /// Returns what the write callback must return: the count taken, or curl's code for pause.
    func received(_ data: UnsafeRawBufferPointer) -> Int {
        if case .streaming(let buffer) = destination {
            return unsafe buffer.offer(data) ? data.count : Int(CURL_WRITEFUNC_PAUSE)
        }
        guard body.count + data.count <= request.responseBytesMax else {
            refusal = HTTPError(
                .tooLarge, "\(title): the answer has more than \(request.responseBytesMax) bytes",
                mayHaveReachedServer: true)
            return 0
        }
        unsafe body.append(contentsOf: data)
        return data.count
    }

    /// Whether a socket to this address may be opened.
    func mayConnect(to address: IPAddress?) -> Bool {
        guard request.egress != .operatorConfigured else { return true }
        let reason = address.map { request.egress.refusal(of: $0) } ?? "the address family is unknown"
        guard let reason else { return true }
        refusal = HTTPError(.egressRefused, "\(title): \(reason)")
        return false
    }

    /// Called before each sending, on a new or a kept connection.
    func maySend(to address: IPAddress?) -> Bool {
        guard mayConnect(to: address) else { return false }
        refusal = nil
        attempts += 1
        // libcurl repeats a request whose kept connection broke before an answer; what is not idempotent (RFC 9110,
        // 9.2.2) is left to the caller, who knows whether a token makes the repeat harmless.
        guard attempts == 1 || ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"].contains(request.method) else {
            refusal = HTTPError(
                .network, "\(title): the kept connection broke before an answer", mayHaveReachedServer: true)
            return false
        }
        return true
    }

    // MARK: The end

    func settle(_ result: CURLcode) {
        guard result != CURLE_OK else {
            switch destination {
            case .whole(let continuation):
                continuation.resume(returning: HTTPResponse(status: status, headers: headers, body: body))
            case .stream(let head, let buffer):
                buffer.finish(.success(()))
                head.resume(returning: (status, headers))
            case .streaming(let buffer):
                buffer.finish(.success(()))
            case .nowhere:
                break
            }
            destination = .nowhere
            return
        }
        if let refusal, result != CURLE_OPERATION_TIMEDOUT { return finish(refusal) }
        let code = HTTPError.Code(result)
        let detail = unsafe String(cString: errorText)
        let text = unsafe detail.isEmpty ? String(cString: curl_easy_strerror(result)) : detail
        finish(HTTPError(code, "\(title): \(text)", mayHaveReachedServer: wasSent))
    }

    func fail(_ code: HTTPError.Code, _ text: String) {
        finish(HTTPError(code, "\(title): \(text)", mayHaveReachedServer: wasSent))
    }

    func finish(_ error: any Error) {
        switch destination {
        case .whole(let continuation): continuation.resume(throwing: error)
        case .stream(let head, _): head.resume(throwing: error)
        case .streaming(let buffer):
            buffer.finish(.failure(error as? HTTPError ?? HTTPError(.network, "\(error)", mayHaveReachedServer: true)))
        case .nowhere: break
        }
        destination = .nowhere
    }
}

extension HTTPError.Code {
    fileprivate init(_ result: CURLcode) {
        switch result {
        case CURLE_OPERATION_TIMEDOUT: self = .timeout
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: self = .dns
        case CURLE_COULDNT_CONNECT: self = .cannotConnect
        case CURLE_FILESIZE_EXCEEDED: self = .tooLarge
        case CURLE_URL_MALFORMAT: self = .badURL
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_CACERT_BADFILE, CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_CLIENTCERT:
            self = .tls
        default: self = .network
        }
    }
}

extension StringProtocol {
    fileprivate func trimmingASCIIWhitespace() -> String {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0.isNewline }
        return String(drop(while: isSpace).reversed().drop(while: isSpace).reversed())
    }
}
