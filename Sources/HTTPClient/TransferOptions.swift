import CCurl

extension Transfer {
    /// Longest wait for TCP and TLS together, so that a dead address does not eat the whole timeout.
    private static let connectTimeout = Duration.seconds(10)

    /// Sets every option of the exchange. The handle holds an unowned pointer to this object, which outlives it.
    func configure(_ easy: UnsafeMutableRawPointer) throws {
        try checkForm()
        let me = unsafe Unmanaged.passUnretained(self).toOpaque()
        try unsafe set("URL", swift_curl_set_string(easy, CURLOPT_URL, request.url))
        try unsafe set("protocols", swift_curl_set_string(easy, CURLOPT_PROTOCOLS_STR, "http,https"))
        // Neither a proxy of the environment nor a redirect may lead a checked request elsewhere.
        try unsafe set("proxy", swift_curl_set_string(easy, CURLOPT_PROXY, ""))
        try unsafe set("redirects", swift_curl_set_long(easy, CURLOPT_FOLLOWLOCATION, 0))
        // A signature covers the path as it is written.
        try unsafe set("path", swift_curl_set_long(easy, CURLOPT_PATH_AS_IS, 1))
        try unsafe set("version", swift_curl_set_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1)))
        try unsafe set("signals", swift_curl_set_long(easy, CURLOPT_NOSIGNAL, 1))
        try unsafe set("keepalive", swift_curl_set_long(easy, CURLOPT_TCP_KEEPALIVE, 1))
        try unsafe setLimits(easy)
        try unsafe setTrust(easy)
        try unsafe setMethodAndBody(easy)
        try unsafe setHeaders(easy)
        try unsafe set("body function", swift_curl_set_data_function(easy, CURLOPT_WRITEFUNCTION, onBody))
        try unsafe set("body data", swift_curl_set_pointer(easy, CURLOPT_WRITEDATA, me))
        try unsafe set("header function", swift_curl_set_data_function(easy, CURLOPT_HEADERFUNCTION, onHeader))
        try unsafe set("header data", swift_curl_set_pointer(easy, CURLOPT_HEADERDATA, me))
        try unsafe set("send function", swift_curl_set_before_request(easy, onSend))
        try unsafe set("send data", swift_curl_set_pointer(easy, CURLOPT_PREREQDATA, me))
        if request.egress != .operatorConfigured {
            try unsafe set("socket function", swift_curl_set_open_socket(easy, onOpenSocket))
            try unsafe set("socket data", swift_curl_set_pointer(easy, CURLOPT_OPENSOCKETDATA, me))
        }
    }

    private func set(_ what: String, _ result: CURLcode) throws {
        guard result != CURLE_OK else { return }
        throw HTTPError(
            .badURL,
            "\(title): libcurl does not take the \(what): \(unsafe String(cString: curl_easy_strerror(result)))")
    }

    /// Refuses what could be read in two ways, before libcurl sees it.
    private func checkForm() throws {
        let isToken: (String) -> Bool = { text in
            !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && !"()<>@,;:\\\"/[]?={}".utf8.contains($0) }
        }
        guard isToken(request.method) else { throw HTTPError(.badURL, "the method is no HTTP token") }
        guard request.url.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
            throw HTTPError(.badURL, "\(request.method): the URL holds white space or control characters")
        }
        for (name, value) in request.headers {
            guard isToken(name) else { throw HTTPError(.badURL, "\(title): a header name is no HTTP token") }
            guard value.utf8.allSatisfy({ $0 != 0 && $0 != 10 && $0 != 13 }) else {
                throw HTTPError(.badURL, "\(title): the value of header \(name) holds a line break")
            }
        }
        // The same parser as the one that connects, so no URL means one host here and another there.
        let parsed = unsafe curl_url()
        defer { unsafe curl_url_cleanup(parsed) }
        guard unsafe curl_url_set(parsed, CURLUPART_URL, request.url, 0) == CURLUE_OK else {
            throw HTTPError(.badURL, "\(request.method): the URL is not absolute http or https")
        }
        func part(_ name: CURLUPart) -> String? {
            var text: UnsafeMutablePointer<CChar>?
            guard unsafe curl_url_get(parsed, name, &text, 0) == CURLUE_OK, let found = unsafe text else { return nil }
            defer { unsafe curl_free(found) }
            return unsafe String(cString: found)
        }
        let scheme = part(CURLUPART_SCHEME)
        guard scheme == "http" || scheme == "https" else {
            throw HTTPError(.badURL, "\(request.method): the URL is not absolute http or https")
        }
        guard part(CURLUPART_USER) == nil, part(CURLUPART_PASSWORD) == nil else {
            throw HTTPError(.badURL, "\(request.method): the URL holds a user name or password")
        }
        if scheme != "https", request.egress != .operatorConfigured {
            throw HTTPError(.egressRefused, "\(title): an endpoint that a customer names must be https")
        }
    }

    private func setLimits(_ easy: UnsafeMutableRawPointer) throws {
        let whole = max(1, ContinuousClock.now.duration(to: deadline).milliseconds)
        let connect = min(whole, Transfer.connectTimeout.milliseconds)
        try unsafe set("timeout", swift_curl_set_long(easy, CURLOPT_TIMEOUT_MS, whole))
        try unsafe set("connect timeout", swift_curl_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, connect))
        if let idle = request.idleTimeout {
            let seconds = max(1, (idle.milliseconds + 999) / 1_000)
            try unsafe set("idle timeout", swift_curl_set_long(easy, CURLOPT_LOW_SPEED_LIMIT, 1))
            try unsafe set("idle timeout", swift_curl_set_long(easy, CURLOPT_LOW_SPEED_TIME, seconds))
        }
        if case .whole = destination {
            let most = request.responseBytesMax
            try unsafe set("size limit", swift_curl_set_offset(easy, CURLOPT_MAXFILESIZE_LARGE, most))
        }
    }

    private func setTrust(_ easy: UnsafeMutableRawPointer) throws {
        try unsafe set("TLS version", swift_curl_set_long(easy, CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2)))
        if case .authority(let pem) = request.trust {
            guard pem.contains("-----BEGIN CERTIFICATE-----") else {
                throw HTTPError(.tls, "\(title): the certificate authority is no PEM certificate")
            }
            try unsafe set("authority", swift_curl_set_string(easy, CURLOPT_CAPATH, nil))
            try unsafe set("authority", swift_curl_set_string(easy, CURLOPT_CAINFO, nil))
            try unsafe setBlob(easy, CURLOPT_CAINFO_BLOB, pem, "certificate authority")
        }
        if let identity = request.clientIdentity {
            // libcurl 7.88 compares certificates, but not keys, before it reuses a connection: the line after the
            // certificate keeps a caller without the right key off the connection of one who has it.
            let certificate = identity.certificatePEM + "\n# \(identity.hashValue)\n"
            try unsafe set("certificate type", swift_curl_set_string(easy, CURLOPT_SSLCERTTYPE, "PEM"))
            try unsafe setBlob(easy, CURLOPT_SSLCERT_BLOB, certificate, "client certificate")
            try unsafe set("key type", swift_curl_set_string(easy, CURLOPT_SSLKEYTYPE, "PEM"))
            try unsafe setBlob(easy, CURLOPT_SSLKEY_BLOB, identity.privateKeyPEM, "client key")
        }
    }

    private func setBlob(_ easy: UnsafeMutableRawPointer, _ option: CURLoption, _ text: String, _ what: String) throws {
        let bytes = Array(text.utf8)
        try unsafe set(
            what, bytes.withUnsafeBytes { unsafe swift_curl_set_blob(easy, option, $0.baseAddress, $0.count) })
    }

    private func setMethodAndBody(_ easy: UnsafeMutableRawPointer) throws {
        let body = request.body ?? (["POST", "PUT", "PATCH"].contains(request.method) ? [] : nil)
        if let body {
            try unsafe set("body size", swift_curl_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, body.count))
            // An extra byte, beyond the size given above, so that an empty body has an address too.
            let copied = unsafe (body + [0]).withUnsafeBytes {
                unsafe swift_curl_set_pointer(
                    easy, CURLOPT_COPYPOSTFIELDS, UnsafeMutableRawPointer(mutating: $0.baseAddress))
            }
            try set("body", copied)
        } else if request.method == "HEAD" {
            try unsafe set("method", swift_curl_set_long(easy, CURLOPT_NOBODY, 1))
            return
        }
        try unsafe set("method", swift_curl_set_string(easy, CURLOPT_CUSTOMREQUEST, request.method))
    }

    private func setHeaders(_ easy: UnsafeMutableRawPointer) throws {
        // "Expect: 100-continue" costs a round trip; a made-up content type would be a lie.
        var lines = ["Expect:"]
        let names = Set(request.headers.map { $0.name.lowercased() })
        if !names.contains("content-type") { lines.append("Content-Type:") }
        if !names.contains("accept") { lines.append("Accept: */*") }
        lines += request.headers.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }
        for line in lines {
            guard let list = unsafe curl_slist_append(headerList, line) else {
                throw HTTPError(.network, "\(title): libcurl has no memory")
            }
            unsafe headerList = list
        }
        try unsafe set("headers", swift_curl_set_list(easy, CURLOPT_HTTPHEADER, headerList))
    }
}

extension Duration {
    var milliseconds: Int {
        // At most a year: more than that overflows elsewhere and means "no bound" to nobody.
        let (seconds, attoseconds) = min(self, .seconds(31_536_000)).components
        return Int(seconds) * 1_000 + Int(attoseconds / 1_000_000_000_000_000)
    }
}

private func transfer(_ pointer: UnsafeMutableRawPointer?) -> Transfer? {
    unsafe pointer.map { unsafe Unmanaged<Transfer>.fromOpaque($0).takeUnretainedValue() }
}

private let onBody: swift_curl_data_function = { data, size, count, me in
    let bytes = unsafe UnsafeRawBufferPointer(start: data, count: size * count)
    return unsafe transfer(me)?.received(bytes) ?? 0
}

private let onHeader: swift_curl_data_function = { data, size, count, me in
    let bytes = unsafe UnsafeRawBufferPointer(start: data, count: size * count)
    guard let transfer = unsafe transfer(me) else { return 0 }
    return unsafe transfer.received(headerLine: String(decoding: bytes, as: UTF8.self)) ? size * count : 0
}

private let onSend: curl_prereq_callback = { me, address, _, _, _ in
    let text = unsafe address.map { unsafe String(cString: $0) } ?? ""
    let isAllowed = unsafe transfer(me)?.maySend(to: IPAddress(text)) ?? false
    return isAllowed ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
}

private let onOpenSocket: curl_opensocket_callback = { me, _, address in
    guard let transfer = unsafe transfer(me), let address = unsafe address else { return CURL_SOCKET_BAD }
    var bytes = [UInt8](repeating: 0, count: 16)
    let count = unsafe bytes.withUnsafeMutableBufferPointer { unsafe swift_curl_address_bytes(address, $0.baseAddress) }
    guard transfer.mayConnect(to: IPAddress(bytes: Array(bytes.prefix(Int(count))))) else { return CURL_SOCKET_BAD }
    return unsafe swift_curl_open_socket(address)
}
