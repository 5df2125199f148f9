import ArgumentParser
import Foundation
import JobQueue
import Postgres

/// How a command answers.
enum OutputForm: String, ExpressibleByArgument, CaseIterable {
    /// Columns for people.
    case table
    /// One JSON document for programs.
    case json
}

/// The option that every answering command has.
struct OutputOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "table (for people) or json (for programs).")
    var output: OutputForm = .table
}

/// Writes to the terminal.
enum Console {
    static func print(_ text: String) {
        FileHandle.standardOutput.write(Data((text + "\n").utf8))
    }

    static func error(_ text: String) {
        FileHandle.standardError.write(Data(("cloudoptim: " + text + "\n").utf8))
    }

    /// Says what was done: a sentence for people, fields for programs.
    static func say(_ sentence: String, _ fields: [String: JSONValue], as form: OutputForm) {
        print(form == .json ? JSONValue.object(fields).canonical : sentence)
    }

    /// Prints rows as a JSON array, or as columns named `columns`.
    static func show(_ rows: [JSONText], columns: [String], as form: OutputForm, whenEmpty: String) throws {
        switch form {
        case .json:
            print("[" + rows.map(\.text).joined(separator: ",\n ") + "]")
        case .table:
            if rows.isEmpty { return print(whenEmpty) }
            let objects = try rows.map { try $0.decode([String: JSONValue].self) }
            var lines = [columns.map { $0.uppercased().replacing("_", with: " ") }]
            lines += objects.map { object in columns.map { text(object[$0]) } }
            let widths = columns.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
            for line in lines {
                let cells = zip(line, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
                print(cells.joined(separator: "  ").trimmingCharacters(in: .whitespaces))
            }
        }
    }

    /// Prints one object as JSON, or a line per field: those of `first` in their order, then the others. Of a list each element
    /// has a line of its own, with the fields that `elements` names for it. What is empty is left out.
    static func show(
        _ row: JSONText, first: [String] = [], elements: [String: [String]] = [:], as form: OutputForm
    ) throws {
        if form == .json { return print(row.text) }
        let object = try row.decode([String: JSONValue].self).filter { !isEmpty($0.value) }
        let names = first.filter { object[$0] != nil } + object.keys.filter { !first.contains($0) }.sorted()
        let width = names.map(\.count).max() ?? 0
        for name in names {
            let title = name.padding(toLength: width, withPad: " ", startingAt: 0) + "  "
            guard case .array(let items)? = object[name] else {
                print(title + text(object[name]))
                continue
            }
            for (index, item) in items.enumerated() {
                let line = line(of: item, elements[name] ?? [])
                print((index == 0 ? title : String(repeating: " ", count: width + 2)) + line)
            }
        }
    }

    private static func line(of item: JSONValue, _ names: [String]) -> String {
        guard case .object(let fields) = item, !names.isEmpty else { return text(item) }
        return names.map { text(fields[$0]) }.joined(separator: "  ")
    }

    private static func isEmpty(_ value: JSONValue) -> Bool {
        [.null, .string(""), .array([]), .object([:])].contains(value)
    }

    private static func text(_ value: JSONValue?) -> String {
        switch value {
        case nil, .null?, .string("")?: return "-"
        case .string(let text)?: return StatusReader.readableTimes(in: text)
        case let value?: return value.canonical
        }
    }
}
