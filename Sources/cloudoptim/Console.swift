import ArgumentParser
import Foundation
import JobQueue

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

    /// Prints one object as JSON, or a line per field.
    static func show(_ row: JSONText, fields: [String]? = nil, as form: OutputForm) throws {
        if form == .json { return print(row.text) }
        let object = try row.decode([String: JSONValue].self)
        let names = fields ?? object.keys.sorted()
        let width = names.map(\.count).max() ?? 0
        for name in names {
            guard let value = object[name], value != .null else { continue }
            print(name.padding(toLength: width, withPad: " ", startingAt: 0) + "  " + text(value))
        }
    }

    private static func text(_ value: JSONValue?) -> String {
        switch value {
        case nil, .null?: return "-"
        case .string(let text)?: return text
        case let value?: return value.canonical
        }
    }
}
