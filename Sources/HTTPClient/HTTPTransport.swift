/// Sends requests over kept connections: libcurl's multi interface on one thread of its own, so no call blocks the pool.
public final class HTTPTransport: Sendable {
    let loop: TransferLoop

    /// Starts the thread. `connectionsMax` bounds open connections; more requests than that wait, within their timeout.
    public init(connectionsMax: Int = 64) {
        loop = TransferLoop(connectionsMax: connectionsMax)
        loop.start()
    }

    deinit { loop.stop() }

    /// Sends a request and waits for the whole answer, whatever its status. Cancelling the task ends the exchange.
    ///
    /// It is a span of the running trace, whose context the far side is told, and is measured.
    /// - Throws: `HTTPError`.
    public func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        guard request.isTraced else { return try await exchange(request) }
        return try await observed(request) { try await self.exchange($0) }
    }

    private func exchange(_ request: HTTPRequest) async throws -> HTTPResponse {
        let transfer = Transfer(request)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                transfer.destination = .whole(continuation)
                loop.submit(transfer)
            }
        } onCancel: {
            loop.cancel(transfer)
        }
    }

    /// Sends a request and returns when the answer's head is there; the body streams after it.
    /// - Throws: `HTTPError`.
    public func stream(_ request: HTTPRequest) async throws -> HTTPResponseStream {
        let transfer = Transfer(request)
        let buffer = BodyBuffer()
        let owner = StreamOwner(transport: self, transfer: transfer, buffer: buffer)
        let head = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                transfer.destination = .stream(head: continuation, buffer)
                loop.submit(transfer)
            }
        } onCancel: {
            loop.cancel(transfer)
        }
        return HTTPResponseStream(status: head.status, headers: head.headers, body: HTTPBody(owner: owner))
    }
}
