import Foundation

/// Processes by id. Foundation's `Process` is not used: children that run side by side can make its wait hang.
enum Spawn {
    /// Starts a program in a session of its own, so that a Ctrl-C at the terminal reaches only us.
    /// - Parameter output: the file its output and errors are appended to.
    static func start(
        _ path: String, _ arguments: [String], environment: [String: String], output: String
    ) throws -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        unsafe posix_spawn_file_actions_init(&actions)
        unsafe posix_spawnattr_init(&attributes)
        defer {
            unsafe posix_spawn_file_actions_destroy(&actions)
            unsafe posix_spawnattr_destroy(&attributes)
        }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // What we ignore or block, children must not inherit.
        var none = sigset_t()
        var usual = sigset_t()
        unsafe sigemptyset(&none)
        unsafe sigemptyset(&usual)
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT] { unsafe sigaddset(&usual, signal) }
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &usual)
        let flags = Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF) | newSession
        unsafe posix_spawnattr_setflags(&attributes, Int16(flags))

        let words = unsafe ([path] + arguments).map { unsafe strdup($0) } + [nil]
        let variables = unsafe environment.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
        defer { unsafe (words + variables).forEach { unsafe free($0) } }
        var pid: pid_t = 0
        let code = unsafe posix_spawn(&pid, path, &actions, &attributes, words, variables)
        guard code == 0 else { throw DemoError("\(path) cannot be started: \(message(code))") }
        return pid
    }

    /// glibc's POSIX_SPAWN_SETSID (spawn.h), which is not imported.
    private static let newSession: Int32 = 0x80

    /// How a child of ours ended; nil while it runs. A signal counts as 128 and its number, as in a shell.
    static func ended(_ pid: pid_t) -> Int32? {
        var status: Int32 = 0
        let found = unsafe waitpid(pid, &status, WNOHANG)
        if found == 0 { return nil }
        guard found == pid else { return 0 }
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
    }

    /// When a process began, in ticks since boot: with its id it names one process for good. nil: there is none.
    static func startTime(_ pid: pid_t) -> String? {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z" else { return nil }
        return String(fields[19])
    }

    static func send(_ signal: Int32, to pid: pid_t) { kill(pid, signal) }

    private static func message(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }
}
