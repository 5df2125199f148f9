import Foundation

/// What a secret belongs to. It is authenticated with the secret, so a box copied to another row does not open.
public struct SealContext: Sendable, Hashable {
    /// The customer.
    public var tenant: String
    /// The cluster; empty: of the whole tenant.
    public var cluster: String
    /// The field's name, such as `kubeconfig`.
    public var field: String

    /// Names a place for a secret.
    public init(tenant: String, cluster: String, field: String) {
        self.tenant = tenant
        self.cluster = cluster
        self.field = field
    }

    /// Each part preceded by its length, so that no two contexts give the same bytes.
    func associatedData(keyID: String) -> [UInt8] {
        ["cloudoptim/v1", keyID, tenant, cluster, field].flatMap { part in
            let bytes = Array(part.utf8)
            return (0..<8).map { UInt8(truncatingIfNeeded: bytes.count >> (56 - 8 * $0)) } + bytes
        }
    }
}

/// A sealed secret: safe to store beside anything.
public struct SealedBox: Sendable, Hashable, CustomStringConvertible {
    /// Which key of the ring sealed it.
    public let keyID: String
    /// 12 random bytes.
    public let nonce: [UInt8]
    /// As long as the plaintext.
    public let ciphertext: [UInt8]
    /// 16 bytes that authenticate ciphertext and context.
    public let tag: [UInt8]

    init(keyID: String, nonce: [UInt8], ciphertext: [UInt8], tag: [UInt8]) {
        self.keyID = keyID
        self.nonce = nonce
        self.ciphertext = ciphertext
        self.tag = tag
    }

    /// The compact form `v1:<key id>:<base64 of nonce, ciphertext, tag>`.
    public var text: String { "v1:\(keyID):\(Data(nonce + ciphertext + tag).base64EncodedString())" }

    /// Reads the compact form.
    /// - Throws: `SealingError` with `malformedBox`.
    public init(text: String) throws {
        let parts = text.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "v1", !parts[1].isEmpty else {
            throw SealingError(.malformedBox, "a sealed value has the form v1:<key id>:<base64>; this one has not")
        }
        guard let bytes = Data(base64Encoded: String(parts[2])).map(Array.init), bytes.count >= 28 else {
            throw SealingError(.malformedBox, "the sealed value of key \(parts[1]) is cut short or no base64")
        }
        self.init(
            keyID: String(parts[1]), nonce: Array(bytes.prefix(12)), ciphertext: Array(bytes[12..<(bytes.count - 16)]),
            tag: Array(bytes.suffix(16)))
    }

    /// The compact form.
    public var description: String { text }
}
