import Foundation
import JobQueue
import Testing

@Suite("Job ids")
struct JobIDTests {
    @Test("an id made later sorts later, as text and as bytes")
    func order() {
        var generator = SystemRandomNumberGenerator()
        var last: JobID?
        for millisecond in stride(from: 1_700_000_000.0, to: 1_700_000_001, by: 0.001) {
            let id = JobID(at: Date(timeIntervalSince1970: millisecond), using: &generator)
            if let last {
                #expect(last < id)
                #expect(last.description < id.description)
                #expect(last.bytes.lexicographicallyPrecedes(id.bytes))
            }
            last = id
        }
    }

    @Test("an id says that it is a UUIDv7 of RFC 9562")
    func version() throws {
        let text = JobID().description
        let groups = text.split(separator: "-")
        #expect(groups.map(\.count) == [8, 4, 4, 4, 12])
        #expect(groups[2].first == "7")
        #expect(["8", "9", "a", "b"].contains(groups[3].first))
        let millis = try #require(UInt64(groups[0] + groups[1], radix: 16))
        #expect(abs(Double(millis) / 1000 - Date().timeIntervalSince1970) < 60)
    }

    @Test("text and bytes round trip, upper case is read, and JSON carries the text")
    func roundTrip() throws {
        for _ in 0..<100 {
            let id = JobID()
            #expect(JobID(id.description) == id)
            #expect(JobID(id.description.uppercased()) == id)
            #expect(JobID(bytes: id.bytes) == id)
            #expect(UUID(uuidString: id.description)?.uuidString.lowercased() == id.description)
            let json = try JSONText(encoding: [id])
            #expect(json.text == "[\"\(id)\"]")
            #expect(try json.decode([JobID].self) == [id])
        }
    }

    @Test(
        "what is no UUID is no id",
        arguments: [
            "", "x", "0190a0b0-1111-7222-8333-44444444444", "0190a0b0-1111-7222-8333-4444444444444",
            "0190a0b01111722283334444444444444444", "g190a0b0-1111-7222-8333-444444444444",
            "0190a0b0-1111-7222-8333-44444444444é", "0190a0b0_1111-7222-8333-444444444444",
        ])
    func wrongText(_ text: String) {
        #expect(JobID(text) == nil)
        #expect(throws: (any Error).self) { try JSONText(encoding: [text]).decode([JobID].self) }
    }

    @Test("only 16 bytes are an id", arguments: [0, 1, 15, 17, 36])
    func wrongBytes(_ count: Int) {
        #expect(JobID(bytes: [UInt8](repeating: 7, count: count)) == nil)
    }
}
