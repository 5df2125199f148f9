import Foundation

/// Tells the story: a line per event, with its time, never wider than `width`.
struct Narrator: Sendable {
    /// What a line is about; the second column, and its colour.
    enum Topic: String, Sendable {
        case stage, warning, cordon, drain, budget, moved, launch, market, saved, crash = "!!", queue, clock, ended,
            ignored
        // The second part.
        case sleep, wake, volume, ghost, memory, size, packing

        var colour: String {
            switch self {
            case .warning, .ignored: "33"
            case .crash: "1;31"
            case .cordon, .budget: "36"
            case .drain, .moved, .ended: "32"
            case .launch: "34"
            case .saved: "1;32"
            case .queue, .clock, .market: "35"
            case .sleep, .wake, .memory: "36"
            case .volume, .ghost, .size, .packing: "32"
            case .stage: "2"
            }
        }
    }

    static let width = 110
    /// Columns before the text of an event.
    static let margin = 22

    let usesColour: Bool
    let start: ContinuousClock.Instant
    /// Where the words go.
    let write: @Sendable (String) -> Void

    /// Seconds since the demo began.
    var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }

    /// A timed line.
    func say(_ topic: Topic, _ text: String) {
        let time = "+" + Self.number(seconds) + " s"
        tell(String(repeating: " ", count: max(0, 9 - time.count)) + time, topic, text)
    }

    /// A line with a time of the world, as the cluster's people read it.
    func say(at time: Date, _ zone: TimeZone, _ topic: Topic, _ text: String) {
        tell(Self.clock(time, zone), topic, text)
    }

    private func tell(_ time: String, _ topic: Topic, _ text: String) {
        let name = topic.rawValue.padding(
            toLength: max(topic.rawValue.count + 1, Self.margin - 2 - time.count), withPad: " ", startingAt: 0)
        let head = time + "  "
        let rows = Self.wrapped(text, to: Self.width - Self.margin)
        for (index, row) in rows.enumerated() {
            if index == 0 {
                write(head + paint(name, topic.colour) + (topic == .crash ? paint(row, topic.colour) : row))
            } else {
                let indent = String(repeating: " ", count: Self.margin)
                write(indent + (topic == .crash ? paint(row, topic.colour) : row))
            }
        }
    }

    /// "27 Mar 18:00".
    static func clock(_ time: Date, _ zone: TimeZone) -> String {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = zone
        let parts = calendar.dateComponents([.day, .month, .hour, .minute], from: time)
        func two(_ number: Int?) -> String { String(format: "%02d", number ?? 0) }
        return "\(two(parts.day)) \(months[(parts.month ?? 1) - 1]) \(two(parts.hour)):\(two(parts.minute))"
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// A heading with a blank line before it.
    func heading(_ text: String) {
        write("")
        for row in Self.wrapped(text, to: Self.width) { write(paint(row, "1")) }
    }

    /// Text without a time, wrapped, with every row indented.
    func plain(_ text: String, indent: Int = 0) {
        for row in Self.wrapped(text, to: Self.width - indent) { write(String(repeating: " ", count: indent) + row) }
    }

    /// A check of the verdict.
    func check(_ name: String, isOK: Bool, detail: String) {
        let mark = isOK ? paint("ok  ", "32") : paint("FAIL", "1;31")
        let rows = Self.wrapped(detail, to: Self.width - 8)
        write("  \(mark)  \(paint(name, "1"))")
        for row in rows { write("        " + row) }
    }

    func paint(_ text: String, _ colour: String) -> String {
        usesColour ? "\u{1B}[\(colour)m\(text)\u{1B}[0m" : text
    }

    /// One digit after the point, without the locale.
    static func number(_ value: Double) -> String { String(format: "%.1f", value) }

    /// Words in rows of at most `columns`; a single word that is longer is cut.
    static func wrapped(_ text: String, to columns: Int) -> [String] {
        var rows: [String] = []
        var row = ""
        for word in text.split(separator: " ") {
            var word = String(word)
            if !row.isEmpty, row.count + 1 + word.count > columns {
                rows.append(row)
                row = ""
            }
            while word.count > columns {
                rows.append(String(word.prefix(columns)))
                word = String(word.dropFirst(columns))
            }
            row += row.isEmpty ? word : " " + word
        }
        return row.isEmpty && !rows.isEmpty ? rows : rows + [row]
    }

    /// "a, b and c".
    static func list(_ items: [String]) -> String {
        guard items.count > 1, let last = items.last else { return items.first ?? "" }
        return items.dropLast().joined(separator: ", ") + " and " + last
    }

    /// "1 pod", "2 pods".
    static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
}
