import Foundation

extension JobSpecReader {
    /// Reads a scalar's text as a type; nil when it does not fit.
    static func content(of text: String, as type: SpecType) -> Content? {
        switch type {
        case .name: isName(text, also: UInt8(ascii: "-")) ? .text(text) : nil
        case .text(let max): (1...max).contains(text.count) ? .text(text) : nil
        case .integer(let range): wholeNumber(text).flatMap { range.contains($0) ? .integer($0) : nil }
        case .number(let range): Double(text).flatMap { range.contains($0) ? .number($0) : nil }
        case .boolean: text == "true" ? .boolean(true) : text == "false" ? .boolean(false) : nil
        case .duration(let range, let millis, let word):
            word == text
                ? .text(text)
                : duration(text, millis: millis).flatMap { seconds in
                    (Double(range.lowerBound)...Double(range.upperBound)).contains(seconds) ? .number(seconds) : nil
                }
        case .choice(let words): words.contains(text) ? .text(text) : nil
        case .lane: lane(text).map { .integer(Int($0.rawValue)) }
        case .cron: cronFault(text).isEmpty ? .text(text) : nil
        case .zone: isZone(text) ? .text(text) : nil
        case .template:
            (1...NewJob.keyBytesMax).contains(text.utf8.count) && templateFault(text).isEmpty ? .text(text) : nil
        case .literal, .group, .parameters: nil
        }
    }

    static func isName(_ text: String, also extra: UInt8) -> Bool {
        guard let first = text.utf8.first, (97...122).contains(first), text.utf8.count <= 63 else { return false }
        return text.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == extra }
    }

    private static func wholeNumber(_ text: String) -> Int? {
        guard let first = text.utf8.first, (48...57).contains(first) || first == UInt8(ascii: "-") else { return nil }
        return Int(text)
    }

    /// `5s`, `10m`, `24h`, `7d`, and `500ms` where allowed, in seconds.
    static func duration(_ text: String, millis: Bool) -> Double? {
        let units: [(String, Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)]
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard (1...9).contains(digits.count), let count = Int(digits),
            let unit = units.first(where: { $0.0 == text.dropFirst(digits.count) }), millis || unit.0 != "ms"
        else { return nil }
        return unit.0 == "ms" ? Double(count) / 1000 : Double(count) * unit.1
    }

    private static func lane(_ text: String) -> Lane? {
        Lane.allCases.first { $0.name == text || String($0.rawValue) == text }
    }

    private static func isZone(_ text: String) -> Bool {
        (text == "UTC" || text.contains("/")) && TimeZone(identifier: text) != nil
    }

    /// What is wrong with a cron expression, as an addition to a message; empty when nothing is.
    static func cronFault(_ text: String) -> String {
        do {
            let expression = try CronExpression(text)
            let start = Date(timeIntervalSince1970: 1_700_000_000)
            return expression.next(after: start, in: .gmt) == nil ? " that matches some day" : ""
        } catch let error as QueueError {
            return " (\(error.message))"
        } catch {
            return " (\(error))"
        }
    }

    /// What is wrong with a template, as an addition to a message; empty when nothing is.
    static func templateFault(_ text: String) -> String {
        do {
            _ = try Template(text)
            return ""
        } catch let error as QueueError {
            return " (\(error.message))"
        } catch {
            return " (\(error))"
        }
    }
}
