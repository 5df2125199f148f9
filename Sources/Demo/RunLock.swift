import Foundation

/// One demo at a time: held as long as this process lives, never inherited by those it starts.
struct RunLock {
    private let descriptor: Int32

    /// - Throws: `DemoError` when another demo holds it.
    init(path: String) throws {
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw DemoError("\(path) cannot be opened (does .run/demo belong to another user?)")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw DemoError("another demo is running: it holds \(path)")
        }
    }

    func release() { close(descriptor) }
}
