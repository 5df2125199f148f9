import Testing

@testable import HTTPClient

@Suite("Address ranges")
struct CIDRTests {
    @Test(
        "a range contains its addresses and no others",
        arguments: [
            ("10.0.0.0/8", "10.255.255.255", true), ("10.0.0.0/8", "11.0.0.0", false),
            ("10.1.2.3", "10.1.2.3", true), ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "203.0.113.9", true), ("0.0.0.0/0", "::1", false),
            ("172.16.0.0/12", "172.31.0.1", true), ("172.16.0.0/12", "172.32.0.1", false),
            ("fd00::/8", "fd12:3456::1", true), ("fe80::/10", "febf::1", true), ("fe80::/10", "fec0::1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true), ("10.0.0.0/8", "64:ff9b::10.0.0.1", true),
            ("10.0.0.0/8", "2002:0a00:0001::1", true),
        ])
    func contains(range: String, address: String, expected: Bool) throws {
        let address = try #require(IPAddress(address))
        #expect(try CIDR(range).contains(address) == expected)
    }

    @Test(
        "a malformed range says what was found",
        arguments: [
            "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0/8", "localhost", "", "/8", "10.0.0.1/8",
            "fd00::/129", "10.0.0.0/8/8", "010.0.0.0/8",
        ])
    func malformed(text: String) {
        let error = #expect(throws: CIDR.Malformed.self) { try CIDR(text) }
        #expect(error?.description.contains("\"\(text)\"") == true)
    }

    @Test("a list may be separated by commas and white space, and may be empty")
    func list() throws {
        #expect(
            try CIDR.list("127.0.0.0/8, 10.0.0.0/8\n::1").map(\.description) == [
                "127.0.0.0/8", "10.0.0.0/8", "0:0:0:0:0:0:0:1/128",
            ])
        #expect(try CIDR.list(" ").isEmpty)
        #expect(throws: CIDR.Malformed.self) { try CIDR.list("10.0.0.0/8,all") }
    }
}
