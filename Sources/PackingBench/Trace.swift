import Foundation

/// A trace in the form of openb (alibaba/clusterdata, gpu-v2023): a file of pods and one of nodes, with named columns.
struct Trace: Sendable {
    /// A machine.
    struct Machine: Sendable, Hashable {
        var name: String
        var cpu: Int64
        var memory: Int64
        var gpus: Int
        var model: String
    }

    /// A pod. `gpuShare` is asked of each of its GPUs, in thousandths; below 1,000 it shares one with others.
    struct Request: Sendable, Hashable {
        var name: String
        var cpu: Int64
        var memory: Int64
        var gpus: Int
        var gpuShare: Int
        /// Models that will do; empty: any.
        var models: [String]
    }

    /// Why a file cannot be used.
    struct Unreadable: Error, CustomStringConvertible {
        var description: String
    }

    var machines: [Machine]
    var requests: [Request]

    /// Reads both files.
    init(pods: String, nodes: String) throws {
        machines = try Trace.rows(of: nodes, columns: ["sn", "cpu_milli", "memory_mib", "gpu", "model"]).map { row in
            Machine(
                name: row.text("sn"), cpu: try row.number("cpu_milli"), memory: try row.number("memory_mib"),
                gpus: Int(try row.number("gpu")), model: row.text("model"))
        }
        let columns = ["name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "gpu_spec"]
        requests = try Trace.rows(of: pods, columns: columns).map { row in
            let count = Int(try row.number("num_gpu"))
            return Request(
                name: row.text("name"), cpu: try row.number("cpu_milli"), memory: try row.number("memory_mib"),
                gpus: count, gpuShare: count > 0 ? Int(try row.number("gpu_milli")) : 0,
                models: row.text("gpu_spec").split(separator: "|").map(String.init))
        }
        guard !machines.isEmpty, !requests.isEmpty else {
            throw Unreadable(description: "\(requests.isEmpty ? pods : nodes) has no rows")
        }
    }

    /// One line of a file, by column.
    private struct Row {
        let file: String
        let line: Int
        let fields: [String: Substring]

        func text(_ column: String) -> String { fields[column].map(String.init) ?? "" }

        func number(_ column: String) throws -> Int64 {
            let text = text(column)
            // An empty field stands for none.
            guard let number = Int64(text.isEmpty ? "0" : text), number >= 0 else {
                throw Unreadable(description: "\(file):\(line): \(column) is '\(text)', wanted a whole number")
            }
            return number
        }
    }

    private static func rows(of file: String, columns: [String]) throws -> [Row] {
        let text: String
        do {
            text = try String(contentsOfFile: file, encoding: .utf8)
        } catch {
            throw Unreadable(description: "\(file) cannot be read: \(error.localizedDescription)")
        }
        let lines = text.split(whereSeparator: \.isNewline)
        let names = (lines.first ?? "").split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        for column in columns where !names.contains(column) {
            throw Unreadable(description: "\(file) has no column '\(column)'; it has \(names)")
        }
        return try lines.enumerated().dropFirst().map { index, line in
            let fields = line.split(separator: ",", omittingEmptySubsequences: false)
            guard fields.count == names.count else {
                throw Unreadable(
                    description: "\(file):\(index + 1) has \(fields.count) fields, its first line \(names.count)")
            }
            return Row(
                file: file, line: index + 1,
                fields: Dictionary(zip(names, fields), uniquingKeysWith: { first, _ in first }))
        }
    }

    /// The same trace without what asks for GPUs and has them.
    var withoutGPUs: Trace {
        var trace = self
        trace.machines.removeAll { $0.gpus > 0 }
        trace.requests.removeAll { $0.gpus > 0 }
        return trace
    }
}
