import Foundation

/// The savings ledger beside the world's own books.
struct Statement: Sendable {
    /// A line of `cloudoptim savings`.
    struct Line: Decodable, Sendable {
        var feature: String
        var projected_dollars: Double
        var realised_dollars: Double
        var realised_hours: Double
        var freed_dollars: Double
    }

    var lines: [Line]
    /// By feature, what the world's own prices and times make of it, dollars.
    var outside: [String: Double]
    /// The sums that the command printed for people.
    var printed: [Double]

    /// Hours that a saving counts at most.
    static let horizonHours = 720.0
    /// Decisions are made by prices that are up to an hour old, and a node's end is seen up to a minute late.
    static let tolerance = 0.05

    private func line(_ feature: String) -> Line? { lines.first { $0.feature == feature } }

    /// Features whose realised saving is not what the world's books say.
    var off: [String] {
        outside.keys.sorted().filter { feature in
            let truth = outside[feature] ?? 0
            return truth <= 0 || abs((line(feature)?.realised_dollars ?? 0) - truth) > Self.tolerance * truth
        }
    }

    var check: Judge.Check {
        let projected = lines.map(\.projected_dollars).reduce(0, +)
        let realised = lines.map(\.realised_dollars).reduce(0, +)
        let isSum =
            printed.count == 2 && abs(printed[0] - projected) < 0.011 && abs(printed[1] - realised) < 0.011
            && realised <= projected * (1 + Self.tolerance)
        let known = lines.filter { outside[$0.feature] == nil && $0.realised_dollars != 0 }.map(\.feature)
        let sum = outside.values.reduce(0, +)
        let isOK = off.isEmpty && isSum && known.isEmpty && !outside.isEmpty
        let problems =
            off.map { "\($0) is off" } + known.map { "\($0) is not in the world's books" }
            + (isSum ? [] : ["the lines do not make the sum"])
        return Judge.Check(
            name: "the savings statement adds up, and is what the world's own books say", ok: isOK,
            detail: "realised \(Life.dollars(realised)), by the simulator's prices and times \(Life.dollars(sum)); "
                + "projected \(Life.dollars(projected))" + (isOK ? "" : ": \(problems.joined(separator: ", "))"))
    }
}

extension Life {
    /// Measures what has been saved so far.
    func measure(days: Int) async throws {
        let text = try await cloudoptim(
            "enqueue", "measure-savings", "--target", DemoSettings.lifeCluster, "--parameters", "{\"days\":\(days)}")
        guard let job = text.split(whereSeparator: \.isWhitespace).map(String.init).first(where: { $0.count == 36 })
        else { throw DemoError("enqueue measure-savings answered: \(text)") }
        _ = try await until("the savings are measured") { try await !props.ledger.isOpen(job) }
    }

    /// Prints the ledger's statement beside what an outsider computes.
    func statement(since start: Date, outside: [String: Double]) async throws -> Judge.Check {
        narrator.heading("What it saved, by the ledger and by the world's own books")
        let day = String(start.ISO8601Format().prefix(10))
        let arguments = ["savings", "--cluster", DemoSettings.lifeCluster, "--since", day]
        let json = try await stage.cloudoptim(arguments + ["--output", "json"], props.environment)
        guard let from = json.firstIndex(of: "[") else { throw DemoError("savings answered: \(json)") }
        let lines = try JSONDecoder().decode([Statement.Line].self, from: Data(json[from...].utf8))
        let text = try await stage.cloudoptim(arguments, props.environment)
        for line in text.split(separator: "\n") where !line.isEmpty { narrator.write("  " + line) }
        narrator.plain("")
        func cell(_ text: String, _ width: Int) -> String { text.padding(toLength: width, withPad: " ", startingAt: 0) }
        narrator.write("  " + cell("FEATURE", 14) + cell("LEDGER", 12) + "THE SIMULATOR'S AND MOTO'S PRICES AND TIMES")
        for (feature, truth) in outside.sorted(by: { $0.key < $1.key }) {
            let realised = lines.first { $0.feature == feature }?.realised_dollars ?? 0
            narrator.write("  " + cell(feature, 14) + cell(Life.dollars(realised), 12) + Life.dollars(truth))
        }
        let sums = text.split(separator: "\n").first { $0.hasPrefix("sum since") }.map { line in
            line.split(separator: "$").dropFirst().compactMap { Double($0.prefix { $0.isNumber || $0 == "." }) }
        }
        return Statement(lines: lines, outside: outside, printed: sums ?? []).check
    }
}
