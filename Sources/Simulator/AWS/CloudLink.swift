import HTTPClient

/// The way to moto. Credentials only name an account there: moto does not check signatures unless told to.
struct CloudLink: Sendable {
    let motoURL: String
    let transport: HTTPTransport

    init(motoURL: String) {
        self.motoURL = motoURL
        transport = HTTPTransport(connectionsMax: 64)
    }

    private static let notForwarded: Set<String> = [
        "content-length", "connection", "transfer-encoding", "expect", "accept-encoding",
    ]

    /// Sends a request on as it came, signature and host included, so that addresses in answers name the simulator.
    func forward(_ request: ServerRequest) async throws -> ServerReply {
        let url = motoURL + request.path + (request.query.isEmpty ? "" : "?" + request.query)
        let hasBody = !request.body.isEmpty || request.method == "POST" || request.method == "PUT"
        let response = try await transport.send(
            HTTPRequest(
                method: request.method, url: url,
                headers: request.headers.filter { !Self.notForwarded.contains($0.name.lowercased()) },
                body: hasBody ? request.body : nil, timeout: .seconds(60)))
        var reply = ServerReply(
            status: response.status, contentType: response.header("content-type") ?? "text/xml",
            body: .bytes(response.body))
        reply.headers = response.headers.filter { $0.name.lowercased().hasPrefix("x-amz") }
        return reply
    }

    /// A call of our own, as `account`.
    /// - Throws: `AWSError` with moto's code and message, or `HTTPError`.
    func query(
        _ service: String, region: String, accessKey: String, version: String, _ parameters: [String: String]
    ) async throws -> [UInt8] {
        var parameters = parameters
        parameters["Version"] = version
        return try await send(
            service, region: region, accessKey: accessKey,
            headers: [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")],
            body: Array(FormEncoding.encode(parameters).utf8))
    }

    func ec2(region: String, accessKey: String, _ parameters: [String: String]) async throws -> [UInt8] {
        try await query("ec2", region: region, accessKey: accessKey, version: "2016-11-15", parameters)
    }

    /// A call of EKS of our own.
    func eks(_ path: String, region: String, accessKey: String, _ body: JSONValue) async throws {
        _ = try await send(
            "eks", region: region, accessKey: accessKey, path: path, headers: [("Content-Type", "application/json")],
            body: Array(body.text.utf8))
    }

    private func send(
        _ service: String, region: String, accessKey: String, path: String = "/",
        headers: [(name: String, value: String)], body: [UInt8]
    ) async throws -> [UInt8] {
        let scope = "Credential=\(accessKey)/20260101/\(region)/\(service)/aws4_request"
        let authorization =
            "AWS4-HMAC-SHA256 \(scope), SignedHeaders=host, Signature=\(String(repeating: "0", count: 64))"
        let response = try await transport.send(
            HTTPRequest(
                method: "POST", url: motoURL + path, headers: headers + [("Authorization", authorization)], body: body,
                timeout: .seconds(60)))
        guard response.status < 300 else { throw Self.error(response) }
        return response.body
    }

    private static func error(_ response: HTTPResponse) -> AWSError {
        let text = String(decoding: response.body, as: UTF8.self)
        if let json = try? JSONValue(parsing: response.body) {
            let code = (json["__type"].string ?? "").split(separator: "#").last.map(String.init) ?? ""
            return AWSError(status: response.status, code: code, message: json["message"].string ?? text)
        }
        return AWSError(
            status: response.status, code: XMLText.contents(of: "Code", in: response.body).first ?? "InternalError",
            message: XMLText.contents(of: "Message", in: response.body).first ?? text)
    }
}
