import Foundation

/// Every changing call, in order, with who sent it and what came of it: an outsider counts executions here.
actor CallLog {
    /// Older entries stay in the file only.
    static let entriesMax = 200_000

    private var entries: [JSONValue] = []
    private var sequence = 0
    private let file: FileHandle?

    /// - Throws: when the file cannot be made.
    init(directory: String?) throws {
        guard let directory else {
            file = nil
            return
        }
        let path = directory + "/log.jsonl"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try Data().write(to: URL(fileURLWithPath: path))
        file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    }

    func append(_ entry: JSONValue) throws {
        sequence += 1
        var entry = entry
        entry["sequence"] = .integer(sequence)
        entries.append(entry)
        if entries.count > Self.entriesMax { entries.removeFirst(Self.entriesMax / 10) }
        if let file { try file.write(contentsOf: Data(entry.bytes + [0x0A])) }
    }

    /// - Parameters:
    ///   - after: only entries with a greater sequence number.
    ///   - matching: members that must be equal.
    func list(after: Int, matching: [String: String], limit: Int) -> JSONValue {
        let chosen = entries.lazy.filter { entry in
            (entry["sequence"].int ?? 0) > after && matching.allSatisfy { entry[$0.key].string == $0.value }
        }
        return ["entries": .array(Array(chosen.prefix(limit))), "lastSequence": .integer(sequence)]
    }

    func clear() { entries = [] }
}
