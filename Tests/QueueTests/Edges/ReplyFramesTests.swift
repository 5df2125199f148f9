import Testing

@testable import Redis

@Suite("Frames of replies")
struct ReplyFramesTests {
    private func replies(_ text: String, cutAt place: Int) throws -> [RedisReply] {
        let reader = try #require(ReplyReader())
        let bytes = Array(text.utf8)
        var found: [RedisReply] = []
        for part in [bytes[..<place], bytes[place...]] {
            try unsafe part.withUnsafeBytes { try unsafe reader.feed($0) }
            while let reply = try reader.next() { found.append(reply) }
        }
        return found
    }

    @Test("a list or text of absurd length is refused before room is made for it, wherever the bytes are cut")
    func absurd() {
        for text in ["*2147483647\r\n", "*1000001\r\n", "*1\r\n*99999999\r\n", "$4294967296\r\n"] {
            for place in 0...text.utf8.count {
                #expect(throws: ReplyReader.Malformed.self) { try replies(text, cutAt: place) }
            }
        }
    }

    @Test("what looks like a length inside a text is text, wherever the bytes are cut")
    func texts() throws {
        let text = "$15\r\n*9999999999\r\n$1\r\n*2\r\n$0\r\n\r\n$-1\r\n:7\r\n+OK\r\n"
        let expected: [RedisReply] = [
            .bytes(Array("*9999999999\r\n$1".utf8)), .array([.bytes([]), .null]), .integer(7), .status("OK"),
        ]
        for place in 0...text.utf8.count { #expect(try replies(text, cutAt: place) == expected) }
    }
}
