import Foundation

/// What this run was told from outside, and where its things are.
struct DemoSettings: Sendable {
    /// The same seed makes the same world.
    var seed: UInt64
    /// Leave everything running at the end.
    var keeps: Bool
    /// The one part that is played; nil: both.
    var part: Int?
    var usesColour: Bool
    /// The checkout: the folder with tools/services and jobspecs.
    var root: String
    /// The program under show, beside this one.
    var program: String
    /// This program.
    var ownPath: String
    /// Passed on to the processes that are started; nothing else of our environment is.
    var passedOn: [String: String]

    /// Everything this run writes lies here.
    var directory: String { root + "/.run/demo" }
    var logs: String { directory + "/log" }
    var simulator: String { directory + "/simulator" }
    var report: String { directory + "/report.json" }

    static let nodes = 10
    static let pods = 70
    static let workers = 3
    /// The production cluster of the first part.
    static let cluster = "demo"
    /// The staging cluster of the second.
    static let lifeCluster = "dev"
    static let lifeTimeZone = "Europe/Berlin"
    static let tenant = "acme"
    /// Jobs that keep the workers busy while warnings come.
    static let loadJobs = 1_500
    /// The first part, from the first process to its evidence.
    static let secondsMax = 175.0

    /// - Throws: `DemoError` that says what is missing or not understood.
    init(environment: [String: String], ownPath: String, workingDirectory: String, isTerminal: Bool) throws {
        let seedText = environment["SEED"] ?? ""
        guard let seed = seedText.isEmpty ? 1 : UInt64(seedText) else {
            throw DemoError("SEED is '\(seedText)', wanted a whole number from 0")
        }
        self.seed = seed
        keeps = !["", "0", "no", "false"].contains(environment["KEEP"] ?? "")
        let partText = environment["PART"] ?? ""
        guard ["", "1", "2"].contains(partText) else {
            throw DemoError("PART is '\(partText)', wanted 1 (interruptions), 2 (a cluster's life) or nothing for both")
        }
        part = Int(partText)
        usesColour = isTerminal && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
        self.ownPath = ownPath
        program = URL(fileURLWithPath: ownPath).deletingLastPathComponent().path + "/cloudoptim"
        guard FileManager.default.isExecutableFile(atPath: program) else {
            throw DemoError("\(program) is missing; build it: swift build --product cloudoptim")
        }
        guard let root = Self.checkout(above: workingDirectory) ?? Self.checkout(above: ownPath) else {
            throw DemoError("tools/services is not found from \(workingDirectory); start the demo in the checkout")
        }
        self.root = root
        passedOn = environment.filter { ["PATH", "HOME", "USER", "LANG", "TMPDIR", "LOG_LEVEL"].contains($0.key) }
    }

    private static func checkout(above path: String) -> String? {
        var folder = URL(fileURLWithPath: path).standardizedFileURL
        while folder.path != "/" {
            if FileManager.default.isExecutableFile(atPath: folder.path + "/tools/services") { return folder.path }
            folder.deleteLastPathComponent()
        }
        return nil
    }

    /// A path as it is typed from the checkout.
    func short(_ path: String) -> String {
        path.hasPrefix(root + "/") ? String(path.dropFirst(root.count + 1)) : path
    }
}

/// The demo cannot go on: says what was found and what to do.
struct DemoError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
