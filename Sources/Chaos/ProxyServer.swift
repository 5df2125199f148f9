import Foundation
import Glibc
import JobQueue
import Synchronization

/// Stands between the processes and a server, and does to connections what networks do.
///
/// Standard input takes one command a line: `cut`, `refuse 0|1`, `delay <milliseconds>`, `drop <replies>`. A dropped
/// reply is one that the server sent after it had acted: it is swallowed and the connection closed.
final class ProxyServer: Sendable {
    private struct State {
        var isRefusing = false
        var delayMilliseconds: UInt32 = 0
        var repliesToDrop = 0
        var links: [Int: Link] = [:]
        var next = 0
    }

    /// Two sockets, closed when both directions have ended.
    private final class Link: Sendable {
        let client: Int32
        let server: Int32
        private let open = Mutex(2)

        init(client: Int32, server: Int32) {
            self.client = client
            self.server = server
        }

        func cut() {
            open.withLock { open in
                guard open > 0 else { return }
                TCP.end(client)
                TCP.end(server)
            }
        }

        /// True for the second direction to end.
        func endDirection() -> Bool {
            open.withLock { open in
                TCP.end(client)
                TCP.end(server)
                open -= 1
                guard open == 0 else { return false }
                close(client)
                close(server)
                return true
            }
        }
    }

    private let listenPort: UInt16
    private let serverPort: UInt16
    private let state = Mutex(State())

    /// - Parameter arguments: the port to listen on and the server's.
    init(arguments: [String]) throws {
        guard arguments.count == 2, let listen = UInt16(arguments[0]), let server = UInt16(arguments[1]) else {
            throw QueueError(.invalid, "proxy: wanted <listen port> <server port>")
        }
        listenPort = listen
        serverPort = server
    }

    func serve() throws {
        let listener = try TCP.listen(port: listenPort)
        Thread { self.acceptLoop(listener) }.start()
        tell("ready")
        while let line = readLine() { obey(line.split(separator: " ").map(String.init)) }
    }

    private func obey(_ words: [String]) {
        let number = words.count > 1 ? Int(words[1]) ?? 0 : 0
        switch words.first {
        case "cut": cutAll()
        case "refuse":
            state.withLock { $0.isRefusing = number != 0 }
            if number != 0 { cutAll() }
        case "delay": state.withLock { $0.delayMilliseconds = UInt32(clamping: number) }
        case "drop": state.withLock { $0.repliesToDrop = number }
        default: tell("unknown command \(words)")
        }
    }

    private func cutAll() {
        for link in state.withLock({ Array($0.links.values) }) { link.cut() }
    }

    private func acceptLoop(_ listener: Int32) {
        while let client = TCP.accept(listener) {
            guard !state.withLock({ $0.isRefusing }), let server = TCP.connect(port: serverPort) else {
                close(client)
                continue
            }
            let link = Link(client: client, server: server)
            let number = state.withLock { state in
                state.next += 1
                state.links[state.next] = link
                return state.next
            }
            Thread { self.pump(client, server, link, number, isReply: false) }.start()
            Thread { self.pump(server, client, link, number, isReply: true) }.start()
        }
    }

    private func pump(_ source: Int32, _ target: Int32, _ link: Link, _ number: Int, isReply: Bool) {
        while let bytes = TCP.read(source) {
            let delay = state.withLock { $0.delayMilliseconds }
            if delay > 0 { usleep(delay * 1000) }
            if isReply, isDropped() { break }
            guard TCP.write(bytes, to: target) else { break }
        }
        if link.endDirection() { state.withLock { $0.links[number] = nil } }
    }

    /// One reply in four, while there are replies to drop.
    private func isDropped() -> Bool {
        state.withLock { state in
            guard state.repliesToDrop > 0, Int.random(in: 0..<4) == 0 else { return false }
            state.repliesToDrop -= 1
            return true
        }
    }
}
