import Glibc

/// Why an exchange with the server ended early.
enum RedisFailure: Error {
    /// The connection is gone or of no more use, for this reason.
    case lost(String)
    /// The server refused the login or the session's settings.
    case refused(String)
    /// The task that waited was cancelled.
    case cancelled
}

/// A connected TCP socket whose every wait has a deadline, and may be ended by a `Waker`.
final class RedisSocket {
    let descriptor: Int32

    private init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Tries every address of the host in turn.
    static func connect(host: String, port: Int, deadline: ContinuousClock.Instant) throws -> RedisSocket {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let status = unsafe getaddrinfo(host, String(port), &hints, &list)
        guard status == 0 else {
            let why = unsafe String(cString: gai_strerror(status))
            throw RedisFailure.lost("cannot find host '\(host)': \(why)")
        }
        defer { unsafe freeaddrinfo(list) }
        var reason = "host '\(host)' has no address"
        var next = unsafe list
        while let address = unsafe next {
            do {
                return try unsafe connect(to: address.pointee, deadline: deadline)
            } catch RedisFailure.lost(let why) {
                reason = why
            }
            unsafe next = unsafe address.pointee.ai_next
        }
        throw RedisFailure.lost(reason)
    }

    private static func connect(to address: addrinfo, deadline: ContinuousClock.Instant) throws -> RedisSocket {
        let flags = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(unsafe address.ai_family, flags, 0)
        guard descriptor >= 0 else { throw lost("socket", errno) }
        let socket = RedisSocket(descriptor)
        socket.set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        socket.set(SOL_SOCKET, SO_KEEPALIVE, 1)
        socket.set(Int32(IPPROTO_TCP), TCP_KEEPIDLE, 10)
        socket.set(Int32(IPPROTO_TCP), TCP_KEEPINTVL, 5)
        socket.set(Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
        socket.set(Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 20_000)
        if unsafe Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen) != 0 {
            guard errno == EINPROGRESS else { throw lost("connect", errno) }
            try socket.wait(for: Int16(POLLOUT), until: deadline, waker: nil)
            var error: Int32 = 0
            var length = socklen_t(MemoryLayout<Int32>.size)
            unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length)
            guard error == 0 else { throw lost("connect", error) }
        }
        return socket
    }

    private func set(_ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        // A kernel without one of these options only notices a dead peer later.
        unsafe setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Waits until the socket is ready.
    /// - Throws: `RedisFailure`: `lost` at the deadline, `cancelled` when woken in a cancelled task.
    func wait(for events: Int16, until deadline: ContinuousClock.Instant, waker: Waker?) throws {
        var descriptors = [
            pollfd(fd: descriptor, events: events, revents: 0),
            pollfd(fd: waker?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            if waker != nil && Task.isCancelled { throw RedisFailure.cancelled }
            let remaining = ContinuousClock.now.duration(to: deadline)
            guard remaining > .zero else { throw RedisFailure.lost("no answer in time") }
            let count = unsafe poll(&descriptors, 2, remaining.wholeMilliseconds)
            if count < 0 && errno != EINTR { throw RedisSocket.lost("poll", errno) }
            if count > 0 {
                if descriptors[1].revents != 0 { waker?.reset() }
                if descriptors[0].revents != 0 { return }
            }
        }
    }

    /// Whether the peer ended the connection, or sent something nobody asked for, while it was idle.
    var isQuiet: Bool {
        var descriptor = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&descriptor, 1, 0) == 0
    }

    static func lost(_ call: String, _ code: Int32) -> RedisFailure {
        RedisFailure.lost("\(call): " + (unsafe String(cString: strerror(code))))
    }
}

extension Duration {
    /// Milliseconds, rounded up and bounded to what poll(2) takes.
    var wholeMilliseconds: Int32 {
        let (seconds, attoseconds) = components
        let milliseconds = Double(seconds) * 1000 + (Double(attoseconds) / 1e15).rounded(.up)
        return Int32(min(max(milliseconds, 0), Double(Int32.max)))
    }
}
