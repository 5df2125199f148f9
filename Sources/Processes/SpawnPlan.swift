import CSpawn
import Foundation
import Glibc

/// What posix_spawn(3) is told, and what must be closed here once it has been.
@safe
struct SpawnPlan {
    /// glibc's POSIX_SPAWN_SETSID (spawn.h), which is not imported.
    private static let newSession: Int32 = 0x80

    private var actions = unsafe posix_spawn_file_actions_t()
    /// The child's ends of its pipes.
    private var ends: [Int32] = []

    init() throws {
        guard unsafe posix_spawn_file_actions_init(&actions) == 0 else {
            throw ChildProcess.Failure(description: "no memory for a process")
        }
    }

    /// To be called once, after the start.
    mutating func end() {
        unsafe posix_spawn_file_actions_destroy(&actions)
        for end in ends { close(end) }
    }

    mutating func directory(_ path: String) { unsafe posix_spawn_file_actions_addchdir_np(&actions, path) }

    mutating func input(_ input: ChildProcess.Input) throws -> FileHandle? {
        switch input {
        case .nothing:
            unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
            return nil
        case .pipe:
            let (reading, writing) = try pipe()
            ends.append(reading)
            unsafe posix_spawn_file_actions_adddup2(&actions, reading, 0)
            return FileHandle(fileDescriptor: writing, closeOnDealloc: true)
        }
    }

    /// - Returns: the reading end, where one of the two is a pipe.
    mutating func output(_ output: ChildProcess.Output, _ errors: ChildProcess.Output) throws -> FileHandle? {
        var handle: FileHandle?
        for (descriptor, wanted) in [(Int32(1), output), (2, errors)] {
            switch wanted {
            case .inherited: break
            case .nothing: unsafe posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0)
            case .file(let path): open(path, descriptor, O_TRUNC)
            case .append(let path): open(path, descriptor, O_APPEND)
            case .likeOutput: unsafe posix_spawn_file_actions_adddup2(&actions, 1, descriptor)
            case .pipe:
                let (reading, writing) = try pipe()
                ends.append(writing)
                unsafe posix_spawn_file_actions_adddup2(&actions, writing, descriptor)
                handle = FileHandle(fileDescriptor: reading, closeOnDealloc: true)
            }
        }
        return handle
    }

    private mutating func open(_ path: String, _ descriptor: Int32, _ flag: Int32) {
        unsafe posix_spawn_file_actions_addopen(&actions, descriptor, path, O_WRONLY | O_CREAT | flag, 0o644)
    }

    private func pipe() throws -> (reading: Int32, writing: Int32) {
        var pair: [Int32] = [-1, -1]
        guard unsafe Glibc.pipe(&pair) == 0 else {
            throw ChildProcess.Failure(description: "no pipe: \(SpawnPlan.message(errno))")
        }
        // No child of ours gets more than its three; this is for those that are started in other ways.
        for end in pair { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (pair[0], pair[1])
    }

    mutating func start(
        _ path: String, _ arguments: [String], environment: [String: String], ownSession: Bool
    ) throws -> pid_t {
        unsafe posix_spawn_file_actions_addclosefrom_np(&actions, 3)
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        // What we ignore or block, children must not inherit: a thread of the shared pool blocks everything.
        var none = sigset_t()
        var usual = sigset_t()
        unsafe sigemptyset(&none)
        unsafe sigemptyset(&usual)
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT] { unsafe sigaddset(&usual, signal) }
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &usual)
        let flags =
            Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF) | (ownSession ? SpawnPlan.newSession : 0)
        unsafe posix_spawnattr_setflags(&attributes, Int16(flags))

        let words = unsafe ([path] + arguments).map { unsafe strdup($0) } + [nil]
        let variables = unsafe environment.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
        defer { unsafe (words + variables).forEach { unsafe free($0) } }
        var id: pid_t = 0
        let code = unsafe posix_spawnp(&id, path, &actions, &attributes, words, variables)
        guard code == 0 else {
            throw ChildProcess.Failure(description: "\(path) cannot be started: \(SpawnPlan.message(code))")
        }
        return id
    }

    private static func message(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }
}
