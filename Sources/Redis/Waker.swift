import Glibc

/// Ends a wait in poll(2) from another thread: what a cancelled task does to the thread that waits for it.
final class Waker: Sendable {
    /// To be polled for reading; negative when the process has no descriptor left, and then nothing wakes early.
    let descriptor: Int32
    private let writeEnd: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        let made = unsafe pipe(&ends) == 0
        for end in ends where made {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        descriptor = made ? ends[0] : -1
        writeEnd = made ? ends[1] : -1
    }

    deinit {
        guard descriptor >= 0 else { return }
        close(descriptor)
        close(writeEnd)
    }

    func wake() {
        var byte: UInt8 = 1
        // A full pipe is awake already.
        unsafe write(writeEnd, &byte, 1)
    }

    func reset() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while unsafe read(descriptor, &bytes, bytes.count) > 0 {}
    }
}
