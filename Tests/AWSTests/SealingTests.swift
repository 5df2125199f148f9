import Foundation
import Sealing
import Testing

@Suite("Sealing")
struct SealingTests {
    static func key(_ byte: UInt8) -> String { Data(repeating: byte, count: 32).base64EncodedString() }

    let ring: SealingKeyring
    let context = SealContext(tenant: "acme", cluster: "prod", field: "kubeconfig")
    let secret = Array("hunter2".utf8)

    init() throws { ring = try SealingKeyring(text: "k1:\(SealingTests.key(1))") }

    private func code(_ body: () throws -> Void) -> SealingError? { #expect(throws: SealingError.self) { try body() } }

    @Test(
        "what is sealed opens again, through its text form, and twice sealed is not twice the same",
        arguments: [0, 1, 15, 16, 17, 70_000])
    func roundTrip(count: Int) throws {
        let plaintext = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        let box = try ring.seal(plaintext, associatedData: context)
        #expect(box.text.hasPrefix("v1:k1:"))
        #expect(box.nonce.count == 12)
        #expect(try ring.open(SealedBox(text: box.text), associatedData: context) == plaintext)
        #expect(try ring.seal(plaintext, associatedData: context).text != box.text)
    }

    @Test(
        "a box does not open for another tenant, cluster or field",
        arguments: [
            SealContext(tenant: "evil", cluster: "prod", field: "kubeconfig"),
            SealContext(tenant: "acme", cluster: "test", field: "kubeconfig"),
            SealContext(tenant: "acme", cluster: "prod", field: "token"),
            SealContext(tenant: "acmep", cluster: "rod", field: "kubeconfig"),
            SealContext(tenant: "acme", cluster: "prodkubeconfig", field: ""),
        ])
    func wrongContext(other: SealContext) throws {
        let box = try ring.seal(secret, associatedData: context)
        #expect(code { _ = try ring.open(box, associatedData: other) }?.code == .notAuthentic)
    }

    @Test("a box of which any byte was altered does not open")
    func tampered() throws {
        let text = try ring.seal(secret, associatedData: context).text
        let bytes = try #require(Data(base64Encoded: String(text.dropFirst(6))))
        for index in bytes.indices {
            var altered = bytes
            altered[index] ^= 0x01
            let box = try SealedBox(text: "v1:k1:" + altered.base64EncodedString())
            #expect(code { _ = try ring.open(box, associatedData: context) }?.code == .notAuthentic)
        }
        let cut = try SealedBox(text: "v1:k1:" + bytes.dropLast().base64EncodedString())
        #expect(code { _ = try ring.open(cut, associatedData: context) }?.code == .notAuthentic)
    }

    @Test("an unknown key is named, and a key of the same name but other bytes does not open")
    func unknownKey() throws {
        let box = try ring.seal(secret, associatedData: context)
        let other = try SealingKeyring(text: "k2:\(SealingTests.key(2))")
        let error = code { _ = try other.open(box, associatedData: context) }
        #expect(error?.code == .unknownKey)
        #expect(error?.message.contains("k1") == true)
        let impostor = try SealingKeyring(text: "k1:\(SealingTests.key(9))")
        #expect(code { _ = try impostor.open(box, associatedData: context) }?.code == .notAuthentic)
    }

    @Test("after a rotation the old key opens and the new one seals")
    func rotation() throws {
        let old = try ring.seal(secret, associatedData: context)
        let rotated = try SealingKeyring(text: "# new first\nk2:\(SealingTests.key(2)),\n k1:\(SealingTests.key(1))\n")
        #expect(rotated.currentKeyID == "k2")
        #expect(try rotated.open(old, associatedData: context) == secret)
        #expect(rotated.isOutdated(old))
        let new = try rotated.seal(secret, associatedData: context)
        #expect(new.keyID == "k2")
        #expect(!rotated.isOutdated(new))
    }

    @Test(
        "a malformed ring is refused without telling its keys",
        arguments: [
            "", "\n,", "k1", "k1:", "k1:c2hvcnQ=", "k 1:\(SealingTests.key(1))", ":\(SealingTests.key(1))",
            "k1:\(SealingTests.key(1)):x", "k1:\(SealingTests.key(1))\nk1:\(SealingTests.key(2))",
        ])
    func malformedRing(text: String) {
        let error = code { _ = try SealingKeyring(text: text) }
        #expect(error?.code == .malformedKeyring)
        #expect(error?.description.contains(SealingTests.key(1)) == false)
    }

    @Test(
        "a malformed box is refused", arguments: ["", "v1", "v1:k1", "v2:k1:AAAA", "v1::AAAA", "v1:k1:AAAA", "v1:k1:*"])
    func malformedBox(text: String) {
        #expect(code { _ = try SealedBox(text: text) }?.code == .malformedBox)
    }

    @Test("no description of a ring tells a key")
    func redaction() {
        var dumped = ""
        dump(ring, to: &dumped)
        for text in ["\(ring)", String(reflecting: ring), dumped] {
            #expect(!text.contains(SealingTests.key(1)))
            #expect(!text.contains("1, 1, 1"))
        }
    }
}
