import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// Keeps the connection at hand, for replies that are dropped.
struct SimulatorContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }
}

/// Turns HTTP into the simulator's own messages and back.
struct SimulatorResponder: HTTPResponder {
    typealias Context = SimulatorContext

    /// Larger requests are refused, as by API servers (3 MB) and SQS (1 MB), with room for both.
    static let requestBytesMax = 16 << 20

    let world: World
    let answer: @Sendable (ServerRequest) async throws -> ServerReply

    init(world: World, answer: @escaping @Sendable (ServerRequest) async throws -> ServerReply) {
        self.world = world
        self.answer = answer
    }

    func respond(to request: Request, context: SimulatorContext) async throws -> Response {
        let body = try await request.body.collect(upTo: Self.requestBytesMax)
        var headers = request.head.headerFields.map { (name: $0.name.rawName, value: $0.value) }
        if let authority = request.head.authority { headers.append((name: "Host", value: authority)) }
        let reply = try await answer(
            ServerRequest(
                method: request.method.rawValue, path: String(request.uri.path), query: String(request.uri.query ?? ""),
                headers: headers, body: Array(buffer: body)))
        if reply.isDropped {
            try? await context.channel.close()
            return Response(status: .internalServerError)
        }
        var fields = HTTPFields()
        fields[.contentType] = reply.contentType
        for header in reply.headers {
            if let name = HTTPField.Name(header.name) { fields[name] = header.value }
        }
        return Response(status: .init(code: reply.status), headers: fields, body: responseBody(reply.body))
    }

    private func responseBody(_ body: ServerReply.Body) -> ResponseBody {
        switch body {
        case .bytes(let bytes): return ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        case .huge(let count):
            return ResponseBody { writer in
                let chunk = ByteBuffer(repeating: UInt8(ascii: " "), count: 1 << 20)
                try await writer.write(ByteBuffer(string: "\""))
                for _ in 0..<max(1, count >> 20) { try await writer.write(chunk) }
                try await writer.write(ByteBuffer(string: "\""))
                try await writer.finish(nil)
            }
        case .watch(let session, let cluster):
            let world = world
            return ResponseBody { writer in
                do {
                    for line in session.initial { try await writer.write(ByteBuffer(bytes: line)) }
                    for await signal in session.changes {
                        if let line = session.line(signal) { try await writer.write(ByteBuffer(bytes: line)) }
                    }
                    try await writer.finish(nil)
                } catch {
                    await world.endWatch(cluster: cluster, id: session.id, table: session.table)
                    throw error
                }
            }
        }
    }
}
