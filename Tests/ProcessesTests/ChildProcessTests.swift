import Foundation
import Glibc
import Processes
import TestSupport
import Testing

@Suite("Child processes")
struct ChildProcessTests {
    private func said(_ command: [String], input: [UInt8] = [], directory: String? = nil) throws -> String {
        let (status, output) = try ChildProcess.run(command, input: input, directory: directory)
        try #require(status == 0)
        return String(decoding: output, as: UTF8.self)
    }

    @Test("A program gets its arguments, its directory and its input, and its words come back whole")
    func words() throws {
        #expect(try said(["printf", "%s|", "a b", "", "é"]) == "a b||é|")
        #expect(try said(["pwd"], directory: "/usr/share") == "/usr/share\n")
        let much = (0..<200_000).map { UInt8($0 % 251) }
        // wc reads all before it writes.
        #expect(try said(["wc", "-c"], input: much).trimmingCharacters(in: .whitespacesAndNewlines) == "200000")
        #expect(try ChildProcess.run(["head", "-c", "300000", "/dev/zero"]).output.count == 300_000)
    }

    @Test("The environment is the one that was named, or ours")
    func environment() throws {
        let child = try ChildProcess("/usr/bin/env", environment: ["ONLY": "this"], output: .pipe)
        #expect(try child.output?.readToEnd() == Data("ONLY=this\n".utf8))
        #expect(child.waitUntilExit() == 0)
        #expect(try said(["printenv", "PATH"]) == (ProcessInfo.processInfo.environment["PATH"] ?? "") + "\n")
    }

    @Test("A child has three descriptors, whatever is open here, and hears every signal")
    func inheritance() throws {
        let open = unsafe Glibc.open("/dev/null", O_RDONLY)  // not close-on-exec
        defer { close(open) }
        try #require(open >= 3)
        var all = sigset_t()
        var own = sigset_t()
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &own)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &own, nil) }
        // The shell's own listing opens the folder itself, as a fourth.
        #expect(
            try said(["sh", "-c", "for fd in /proc/$$/fd/*; do printf '%s ' ${fd##*/}; done"]).split(separator: " ")
                .filter { Int($0).map { $0 > 2 } == true }.count <= 1)
        #expect(try said(["grep", "SigBlk", "/proc/self/status"]) == "SigBlk:\t0000000000000000\n")
    }

    @Test("Its end is told as a shell does: the exit code, or 128 and the signal")
    func ends() async throws {
        #expect(try ChildProcess("true").waitUntilExit() == 0)
        #expect(try ChildProcess.run(["sh", "-c", "exit 7"]).status == 7)
        let sleeper = try ChildProcess("sleep", ["600"])
        #expect(sleeper.isRunning && sleeper.ended == nil)
        sleeper.send(SIGTERM)
        #expect(sleeper.waitUntilExit() == 128 + SIGTERM)
        sleeper.send(SIGKILL)  // says nothing to nobody: the number may be another's by now
        #expect(!sleeper.isRunning && sleeper.ended == 128 + SIGTERM)
        // Its input closes with its object.
        var reader: ChildProcess? = try ChildProcess("cat", input: .pipe, output: .pipe)
        let output = try #require(reader?.output)
        reader = nil
        #expect(try output.readToEnd() == nil)
    }

    @Test("Files are emptied or added to, and errors may follow the output")
    func files() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("child-\(UUID().uuidString)").path
        defer { unsafe unlink(path) }
        func run(_ output: ChildProcess.Output) throws -> String {
            try ChildProcess("sh", ["-c", "echo out; echo err >&2"], output: output, errors: .likeOutput)
                .waitUntilExit()
            return try String(contentsOfFile: path, encoding: .utf8)
        }
        #expect(try run(.file(path)) == "out\nerr\n")
        #expect(try run(.append(path)) == "out\nerr\nout\nerr\n")
        #expect(try run(.file(path)) == "out\nerr\n")
        #expect(try ChildProcess.run(["sh", "-c", "echo out; echo err >&2"]).output == Array("out\nerr\n".utf8))
    }

    @Test("A session of its own keeps the terminal's Ctrl-C away")
    func session() throws {
        let own = try ChildProcess("sleep", ["600"], ownSession: true)
        defer { own.send(SIGKILL) }
        // The session is made before the program runs, which posix_spawn waits for.
        #expect(getsid(own.id) == own.id)
        let shared = try ChildProcess("sleep", ["600"])
        defer { shared.send(SIGKILL) }
        #expect(getsid(shared.id) == getsid(0))
    }

    @Test("What cannot be started says why", arguments: ["/no/such/program", "/etc/hostname", "no-such-program"])
    func failures(_ path: String) throws {
        let failure = try #require(throws: ChildProcess.Failure.self) { try ChildProcess(path) }
        #expect(failure.description.hasPrefix("\(path) cannot be started: "))
        #expect(throws: ChildProcess.Failure.self) { try ChildProcess("true", directory: "/no/such/folder") }
    }
}
