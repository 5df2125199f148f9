import Foundation
import Redis

/// `make demo`: the main job on real parts, with a live story and a verdict that is not our own word.
///
///     Demo          runs it; exit code 0 only if every check holds
///     Demo stop     ends what KEEP=1 or a crash left running
@main
struct DemoCommand {
    /// How the run came to its end.
    private enum Ending: Sendable {
        case judged(Report)
        case failed(String)
        case signal(Int32)
        case nothing
    }

    let settings: DemoSettings
    let narrator: Narrator
    let stage: Stage

    static func main() async {
        // A reader that went away must not stop us from ending what was started.
        signal(SIGPIPE, SIG_IGN)
        do {
            exit(try await run(Array(CommandLine.arguments.dropFirst())))
        } catch {
            FileHandle.standardError.write(Data("demo: \(error)\n".utf8))
            exit(1)
        }
    }

    private static func run(_ arguments: [String]) async throws -> Int32 {
        guard arguments.isEmpty || arguments == ["stop"] else {
            print(
                "usage: Demo [stop]; KEEP=1 leaves everything running, SEED=<n> makes another world, PART=1 or 2 plays one part"
            )
            return 64
        }
        // As it was typed, where that says where it is: `.build/debug/Demo` rather than what the link leads to.
        let typed = CommandLine.arguments[0]
        let folder = FileManager.default.currentDirectoryPath
        let own =
            typed.contains("/")
            ? URL(fileURLWithPath: typed, relativeTo: URL(fileURLWithPath: folder + "/")).standardizedFileURL.path
            : try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let settings = try DemoSettings(
            environment: ProcessInfo.processInfo.environment, ownPath: own,
            workingDirectory: folder, isTerminal: isatty(STDOUT_FILENO) == 1)
        guard FileManager.default.changeCurrentDirectoryPath(settings.root) else {
            throw DemoError("cannot enter \(settings.root)")
        }
        do {
            try FileManager.default.createDirectory(atPath: settings.logs, withIntermediateDirectories: true)
        } catch {
            throw DemoError("\(settings.logs) cannot be made (does .run/demo belong to another user?): \(error)")
        }
        let lock = try RunLock(path: settings.directory + "/demo.lock")
        defer { lock.release() }
        let narrator = Narrator(usesColour: settings.usesColour, start: .now, write: put)
        let children = try Children(folder: settings.directory + "/processes")
        let stage = Stage(settings: settings, children: children, narrator: narrator)
        let command = DemoCommand(settings: settings, narrator: narrator, stage: stage)
        if arguments == ["stop"] {
            try await stage.clear()
            narrator.plain("nothing of the demo runs any more; logs: \(settings.short(settings.logs))")
            return 0
        }
        return try await command.perform()
    }

    /// One line, at once. Nobody may be reading any more: the demo goes on all the same.
    private static func put(_ line: String) {
        try? FileHandle.standardOutput.write(contentsOf: Data((line + "\n").utf8))
    }

    private func perform() async throws -> Int32 {
        let signals = Signals([SIGINT, SIGTERM, SIGHUP])
        narrator.plain("CloudOptim demo, seed \(settings.seed). Logs: \(settings.short(settings.logs))/")
        let received = signals.received
        defer { withExtendedLifetime(signals) {} }
        let ending = await withTaskGroup(of: Ending.self) { group in
            group.addTask { await play() }
            group.addTask {
                for await signal in received { return .signal(signal) }
                return .nothing
            }
            let first = await group.next() ?? .nothing
            if case .signal = first { narrator.say(.crash, "interrupted: ending everything that was started") }
            group.cancelAll()
            return first
        }
        switch ending {
        case .judged(let report):
            if settings.keeps {
                LookAround(settings: settings, stage: stage, narrator: narrator).explain()
            } else {
                await stage.strike()
            }
            return report.isPass ? 0 : 1
        case .failed(let message):
            narrator.say(.crash, message)
            try report(message)
            await stage.strike()
            narrator.plain("The demo failed. Logs: \(settings.short(settings.logs))/")
            return 1
        case .signal(let number):
            try report("interrupted by signal \(number)")
            await stage.strike()
            narrator.plain("Everything is ended. Logs: \(settings.short(settings.logs))/")
            return 128 + number
        case .nothing:
            await stage.strike()
            throw DemoError("the demo came to no end of its own")
        }
    }

    private func report(_ error: String) throws {
        try Report.Failure(error: error, seed: settings.seed, seconds: narrator.seconds).write(to: settings.report)
    }

    /// From nothing to the verdict.
    private func play() async -> Ending {
        do {
            try await stage.clear()
            for name in try FileManager.default.contentsOfDirectory(atPath: settings.logs) {
                try FileManager.default.removeItem(atPath: "\(settings.logs)/\(name)")
            }
            let props = try await stage.raise()
            let evidence =
                settings.part == 2
                ? nil : try await Screenplay(stage: stage, props: props, narrator: narrator).play()
            let life = settings.part == 1 ? [] : try await Life(stage, props, narrator).play()
            await props.ledger.close()
            await props.redis.close()
            let report = Report(evidence.map(Judge.init), life: life, seed: settings.seed, seconds: narrator.seconds)
            try report.write(to: settings.report)
            tell(report)
            return .judged(report)
        } catch {
            return .failed("\(error)")
        }
    }

    private func tell(_ report: Report) {
        let word = report.isPass ? narrator.paint("PASS", "1;32") : narrator.paint("FAIL", "1;31")
        narrator.heading("Verdict, by the simulator's and moto's own books")
        for check in report.checks { narrator.check(check.name, isOK: check.ok, detail: check.detail) }
        narrator.plain("")
        narrator.plain(
            "\(word)  seed \(report.seed), \(Narrator.number(report.seconds)) s, "
                + "report \(settings.short(settings.report)), logs \(settings.short(settings.logs))/")
    }
}
