import Foundation
import Infrastructure
import Optimizer

/// Measures the packer on a trace: `PackingBench --pods FILE --nodes FILE --report FILE`. See docs/packing.md.
@main
struct PackingBench {
    static func main() throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        func value(_ name: String) -> String? {
            arguments.firstIndex(of: "--\(name)").flatMap { $0 + 1 < arguments.count ? arguments[$0 + 1] : nil }
        }
        guard let pods = value("pods"), let nodes = value("nodes"), let report = value("report") else {
            print("usage: PackingBench --pods FILE --nodes FILE --report FILE")
            exit(64)
        }
        let cases: [PackingCase]
        do {
            cases = try PackingCases(Trace(pods: pods, nodes: nodes)).run()
        } catch let error as Trace.Unreadable {
            FileHandle.standardError.write(Data("PackingBench: \(error.description)\n".utf8))
            exit(66)
        }
        print(PackingCase.heading)
        for item in cases { print(item.line) }
        struct Report: Encodable {
            var verdict: String
            var pods: String
            var nodes: String
            var cases: [PackingCase]
        }
        let isSound = cases.allSatisfy { $0.infeasible == 0 }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        let data = try encoder.encode(
            Report(verdict: isSound ? "pass" : "fail", pods: pods, nodes: nodes, cases: cases))
        try (data + Data("\n".utf8)).write(to: URL(fileURLWithPath: report))
        print(report)
        if !isSound { exit(1) }
    }
}

/// One measured case.
struct PackingCase: Encodable {
    var name: String
    var nodesUsed: Int
    var lowerBound: Int
    var unplaced: Int
    var planMs: Double
    var infeasible: Int
    /// The same case with the textbook's methods.
    var unplacedFirstFit: Int?
    var unplacedBestFit: Int?
    var nodesFirstFit: Int?
    var nodesBestFit: Int?
    var nodesBefore: Int?
    var evictionsPerNodeFreed: Double?
    /// US dollars a month (730 hours) for each evicted pod, at the prices of `Trace.price`.
    var savingPerEviction: Double?

    static let heading =
        "case                              nodes  bound  unplaced  (ff, bf)       ms  infeasible  evictions/node  $/month/eviction"

    var line: String {
        func pad(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        func fixed(_ value: Double?) -> String { value.map { String(format: "%.2f", $0) } ?? "-" }
        let others = unplacedFirstFit.map { "(\($0), \(unplacedBestFit ?? 0))" } ?? "-"
        return name + pad("\(nodesUsed)", 39 - name.count) + pad("\(lowerBound)", 7) + pad("\(unplaced)", 10)
            + pad(others, 10) + pad(String(format: "%.0f", planMs), 9) + pad("\(infeasible)", 12)
            + pad(fixed(evictionsPerNodeFreed), 16) + pad(fixed(savingPerEviction), 18)
    }
}
