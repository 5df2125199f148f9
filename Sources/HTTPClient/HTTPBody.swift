import Synchronization

/// The chunks of a body as they arrive, for one reader. Fails with `HTTPError` when the exchange breaks off.
public struct HTTPBody: AsyncSequence, Sendable {
    let owner: StreamOwner

    /// Reads the chunks, each not empty.
    public struct Iterator: AsyncIteratorProtocol {
        let owner: StreamOwner

        /// The next chunk; nil at the end of the body.
        /// - Throws: `HTTPError`; `cancelled` also when the calling task is cancelled, which ends the exchange.
        public mutating func next() async throws -> [UInt8]? { try await owner.next() }
    }

    /// Starts reading.
    public func makeAsyncIterator() -> Iterator { Iterator(owner: owner) }
}

/// Ends the exchange when nobody holds the stream any more, and keeps the transport while somebody does.
final class StreamOwner: Sendable {
    private let transport: HTTPTransport
    private let transfer: Transfer
    private let buffer: BodyBuffer

    init(transport: HTTPTransport, transfer: Transfer, buffer: BodyBuffer) {
        self.transport = transport
        self.transfer = transfer
        self.buffer = buffer
    }

    deinit { transport.loop.cancel(transfer) }

    func next() async throws -> [UInt8]? {
        try await withTaskCancellationHandler {
            let taken = try await buffer.next()
            if taken.wasPaused { transport.loop.resume(transfer) }
            return taken.chunk
        } onCancel: {
            transport.loop.cancel(transfer)
        }
    }
}

/// Between the loop's thread, which fills it, and one reader. At most `bytesMax` and one callback's data are held.
final class BodyBuffer: Sendable {
    typealias Taken = (chunk: [UInt8]?, wasPaused: Bool)

    private struct State {
        var bytes: [UInt8] = []
        var isPaused = false
        var end: Result<Void, HTTPError>?
        var waiter: CheckedContinuation<Taken, any Error>?
    }

    private static let bytesMax = 1 << 20
    private let state = Mutex(State())

    /// Takes the data; false when full: the same data must be offered again after a resume.
    func offer(_ data: UnsafeRawBufferPointer) -> Bool {
        let chunk = unsafe Array(data)
        return state.withLock { state in
            if let waiter = state.waiter {
                state.waiter = nil
                waiter.resume(returning: (chunk, false))
                return true
            }
            guard state.bytes.isEmpty || state.bytes.count + chunk.count <= BodyBuffer.bytesMax else {
                state.isPaused = true
                return false
            }
            state.bytes += chunk
            return true
        }
    }

    func finish(_ end: Result<Void, HTTPError>) {
        state.withLock { state in
            if state.end == nil { state.end = end }
            guard let waiter = state.waiter else { return }
            state.waiter = nil
            waiter.resume(with: end.map { (nil, false) }.mapError { $0 })
        }
    }

    func next() async throws -> Taken {
        try await withCheckedThrowingContinuation { continuation in
            state.withLock { state in
                precondition(state.waiter == nil, "a body has one reader")
                if !state.bytes.isEmpty {
                    let wasPaused = state.isPaused
                    state.isPaused = false
                    let chunk = state.bytes
                    state.bytes = []
                    continuation.resume(returning: (chunk, wasPaused))
                } else if let end = state.end {
                    continuation.resume(with: end.map { (nil, false) }.mapError { $0 })
                } else {
                    state.waiter = continuation
                }
            }
        }
    }
}
