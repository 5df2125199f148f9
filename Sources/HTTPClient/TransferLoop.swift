import CCurl
import Foundation
import Synchronization

/// The thread that owns libcurl's multi handle: everything but the inbox is touched by that thread alone.
/// Safe: the multi handle is freed only by that thread, after the inbox is closed.
@safe
final class TransferLoop: @unchecked Sendable {
    private enum Command {
        case add(Transfer)
        case cancel(Transfer)
        case resume(Transfer)
    }

    private struct Inbox {
        var commands: [Command] = []
        var isClosed = false
    }

    private let inbox = Mutex(Inbox())
    /// Safe to wake from any thread while the inbox is open; freed by the thread after it is closed.
    private let multi: UnsafeMutableRawPointer?
    /// In the order of arrival: libcurl's own line for connections does not heed timeouts.
    private var waiting: [Transfer] = []
    private let connectionsMax: Int
    private var running: [UnsafeMutableRawPointer: Transfer] = unsafe [:]

    private static let isLibraryReady: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    init(connectionsMax: Int) {
        precondition(connectionsMax > 0, "a transport needs a connection")
        self.connectionsMax = connectionsMax
        unsafe multi = TransferLoop.isLibraryReady ? curl_multi_init() : nil
        unsafe swift_curl_multi_set_long(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connectionsMax)
        unsafe swift_curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, connectionsMax)
    }

    func start() {
        guard unsafe multi != nil else {
            inbox.withLock { $0.isClosed = true }
            return
        }
        let thread = Thread { self.run() }
        thread.name = "http"
        thread.start()
    }

    func submit(_ transfer: Transfer) {
        guard post(.add(transfer)) else {
            transfer.fail(.cancelled, "the transport is closed")
            return
        }
    }

    func cancel(_ transfer: Transfer) {
        transfer.isCancelled.store(true, ordering: .releasing)
        _ = post(.cancel(transfer))
    }

    func resume(_ transfer: Transfer) { _ = post(.resume(transfer)) }

    func stop() {
        inbox.withLock { inbox in
            inbox.isClosed = true
            unsafe curl_multi_wakeup(multi)
        }
    }

    private func post(_ command: Command) -> Bool {
        inbox.withLock { inbox in
            guard !inbox.isClosed else { return false }
            inbox.commands.append(command)
            if inbox.commands.count == 1 { unsafe curl_multi_wakeup(multi) }
            return true
        }
    }

    private func run() {
        var isClosed = false
        while !isClosed {
            let taken = inbox.withLock { inbox in
                let taken = inbox
                inbox.commands = []
                return taken
            }
            isClosed = taken.isClosed
            for command in taken.commands { carryOut(command) }
            startWaiting()
            var count: Int32 = 0
            unsafe curl_multi_perform(multi, &count)
            settleFinished()
            startWaiting()
            if !isClosed { unsafe curl_multi_poll(multi, nil, 0, pollMilliseconds, &count) }
        }
        for unsafe(easy, transfer) in unsafe running {
            unsafe curl_multi_remove_handle(multi, easy)
            transfer.fail(.cancelled, "the transport was closed")
        }
        for transfer in waiting { transfer.fail(.cancelled, "the transport was closed") }
        waiting = []
        unsafe running = [:]
        unsafe curl_multi_cleanup(multi)
    }

    /// Until libcurl, the inbox or the first deadline in the line needs the thread.
    private var pollMilliseconds: Int32 {
        let first = waiting.map(\.deadline).min().map { ContinuousClock.now.duration(to: $0).milliseconds + 1 }
        return Int32(max(1, min(1_000, first ?? 1_000)))
    }

    private func carryOut(_ command: Command) {
        switch command {
        case .add(let transfer):
            waiting.append(transfer)
        case .cancel(let transfer):
            if let index = waiting.firstIndex(where: { $0 === transfer }) {
                waiting.remove(at: index)
                transfer.fail(.cancelled, "cancelled before it was sent")
            } else if let easy = unsafe transfer.easy, unsafe running.removeValue(forKey: easy) != nil {
                unsafe curl_multi_remove_handle(multi, easy)
                transfer.fail(.cancelled, "cancelled")
            }
        case .resume(let transfer):
            guard let easy = unsafe transfer.easy, unsafe running[easy] != nil else { return }
            unsafe curl_easy_pause(easy, CURLPAUSE_CONT)
        }
    }

    /// Starts what there is room for, and ends what waited too long or was cancelled before it came.
    private func startWaiting() {
        guard !waiting.isEmpty else { return }
        var line: [Transfer] = []
        for transfer in waiting {
            if transfer.isCancelled.load(ordering: .acquiring) {
                transfer.fail(.cancelled, "cancelled before it was sent")
            } else if ContinuousClock.now >= transfer.deadline {
                transfer.fail(.timeout, "no connection became free in time")
            } else if unsafe running.count < connectionsMax {
                start(transfer)
            } else {
                line.append(transfer)
            }
        }
        waiting = line
    }

    private func start(_ transfer: Transfer) {
        do {
            let easy = try unsafe transfer.prepare()
            let added = unsafe curl_multi_add_handle(multi, easy)
            guard added == CURLM_OK else {
                return transfer.fail(.network, "libcurl refused it with multi code \(added.rawValue)")
            }
            unsafe running[easy] = transfer
        } catch {
            transfer.finish(error)
        }
    }

    private func settleFinished() {
        var left: Int32 = 0
        while let message = unsafe curl_multi_info_read(multi, &left) {
            let easy = unsafe message.pointee.easy_handle
            let result = unsafe swift_curl_message_result(message)
            guard let easy = unsafe easy, let transfer = unsafe running.removeValue(forKey: easy) else { continue }
            unsafe curl_multi_remove_handle(multi, easy)
            transfer.settle(result)
        }
    }
}
