import Glibc

/// A stream of bytes to and from the server, plain or over TLS. For use on one thread at a time.
final class RedisStream {
    private let socket: RedisSocket
    private let tls: TLSSession?
    private var buffer = [UInt8](repeating: 0, count: 64 * 1024)

    private init(_ socket: RedisSocket, _ tls: TLSSession?) {
        self.socket = socket
        self.tls = tls
    }

    /// Connects, and shakes hands when TLS is asked for.
    static func open(_ configuration: RedisConfiguration, deadline: ContinuousClock.Instant) throws -> RedisStream {
        let socket = try RedisSocket.connect(host: configuration.host, port: configuration.port, deadline: deadline)
        guard configuration.usesTLS else { return RedisStream(socket, nil) }
        let tls = try TLSSession(socket.descriptor, host: configuration.host, caFile: configuration.caFile)
        while case .wait(let events) = try tls.handshake() {
            try socket.wait(for: events, until: deadline, waker: nil)
        }
        return RedisStream(socket, tls)
    }

    var isQuiet: Bool { socket.isQuiet }

    func write(_ bytes: [UInt8], deadline: ContinuousClock.Instant) throws {
        var done = 0
        while done < bytes.count {
            switch try unsafe bytes.withUnsafeBytes({
                try unsafe writeSome(UnsafeRawBufferPointer(rebasing: $0[done...]))
            }) {
            case .count(let count): done += count
            case .wait(let events): try socket.wait(for: events, until: deadline, waker: nil)
            }
        }
    }

    /// Waits for bytes and hands them to the reader.
    func read(into reader: ReplyReader, deadline: ContinuousClock.Instant, waker: Waker?) throws {
        while true {
            switch try unsafe buffer.withUnsafeMutableBytes({ try unsafe readSome($0) }) {
            case .count(let count):
                do {
                    try unsafe buffer.withUnsafeBytes {
                        try unsafe reader.feed(UnsafeRawBufferPointer(rebasing: $0[..<count]))
                    }
                } catch let error as ReplyReader.Malformed {
                    throw RedisFailure.lost("this is not Redis that answers: \(error.reason)")
                }
                return
            case .wait(let events): try socket.wait(for: events, until: deadline, waker: waker)
            }
        }
    }

    private func writeSome(_ bytes: UnsafeRawBufferPointer) throws -> TransferStep {
        if let tls { return try unsafe tls.write(bytes) }
        let count = unsafe send(socket.descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        if count >= 0 { return .count(count) }
        if errno == EAGAIN || errno == EINTR { return .wait(Int16(POLLOUT)) }
        throw RedisSocket.lost("send", errno)
    }

    private func readSome(_ bytes: UnsafeMutableRawBufferPointer) throws -> TransferStep {
        if let tls { return try unsafe tls.read(bytes) }
        let count = unsafe recv(socket.descriptor, bytes.baseAddress, bytes.count, 0)
        if count > 0 { return .count(count) }
        if count == 0 { throw RedisFailure.lost("the server closed the connection") }
        if errno == EAGAIN || errno == EINTR { return .wait(Int16(POLLIN)) }
        throw RedisSocket.lost("recv", errno)
    }
}

/// What one step of a transfer came to.
enum TransferStep {
    /// So many bytes went through.
    case count(Int)
    /// Try again once the socket is ready for these events of poll(2).
    case wait(Int16)
}
