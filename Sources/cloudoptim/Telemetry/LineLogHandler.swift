import Foundation
import Logging

/// Writes log lines to standard error: time, level, message, then `key=value` pairs sorted by key.
struct LineLogHandler: LogHandler {
    var metadata = Logger.Metadata()
    var logLevel: Logger.Level

    init(level: Logger.Level) { logLevel = level }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let own = event.metadata { all.merge(own) { $1 } }
        let pairs = all.sorted { $0.key < $1.key }.map { "\($0.key)=\(Self.value($0.value))" }
        let time = Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        let line = ([time, event.level.rawValue, "\(event.message)"] + pairs).joined(separator: " ")
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }

    private static func value(_ value: Logger.MetadataValue) -> String {
        let text = "\(value)".replacing("\n", with: "\\n")
        return text.contains(" ") || text.contains("\"") ? "\"\(text.replacing("\"", with: "\\\""))\"" : text
    }
}
