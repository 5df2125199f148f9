import JobQueue
import TestSupport

extension Answer {
    func json<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value { try JSONText(text: output).decode() }
}
