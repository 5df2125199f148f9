import Foundation

/// The keys that seal secrets (AES-256-GCM): the current one seals, all of them open, so keys can be rotated.
public struct SealingKeyring: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The id of the key that seals.
    public let currentKeyID: String
    private let keys: [String: [UInt8]]

    /// Parses `id:base64` entries of 32-byte keys, separated by line breaks or commas; the first is the current one.
    /// Blank lines and lines that start with `#` are skipped.
    /// - Throws: `SealingError` with `malformedKeyring`; it names the entry by its place, never its text.
    public init(text: String) throws {
        var keys: [String: [UInt8]] = [:]
        var first: String?
        let entries = text.split { $0.isNewline || $0 == "," }.map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.isEmpty && !$0.hasPrefix("#") }
        for (index, entry) in entries.enumerated() {
            let place = "entry \(index + 1) of the sealing keys"
            let parts = entry.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, SealingKeyring.isKeyID(parts[0]) else {
                throw SealingError(
                    .malformedKeyring, "\(place) is not <id>:<base64>; an id has 1 to 64 letters, digits, - . or _")
            }
            guard let key = Data(base64Encoded: String(parts[1])), key.count == 32 else {
                throw SealingError(
                    .malformedKeyring, "\(place) is not the base64 of 32 bytes; make one with: openssl rand -base64 32")
            }
            let id = String(parts[0])
            guard keys.updateValue(Array(key), forKey: id) == nil else {
                throw SealingError(.malformedKeyring, "\(place) has the id \(id), which an earlier entry has too")
            }
            first = first ?? id
        }
        guard let first else {
            throw SealingError(.malformedKeyring, "there is no sealing key; give SEALING_KEY or SEALING_KEY_FILE")
        }
        currentKeyID = first
        self.keys = keys
    }

    private static func isKeyID(_ text: Substring) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.unicodeScalars.allSatisfy { scalar in
                ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar)
                    || "-._".unicodeScalars.contains(scalar)
            }
    }

    /// Seals with the current key and a fresh random nonce.
    /// - Throws: `SealingError` with `cipher`.
    public func seal(_ plaintext: [UInt8], associatedData context: SealContext) throws -> SealedBox {
        guard let key = keys[currentKeyID] else { throw unknown(currentKeyID) }
        let nonce = try AESGCM.randomBytes(12)
        let sealed = try AESGCM.seal(
            plaintext, key: key, nonce: nonce, associatedData: context.associatedData(keyID: currentKeyID))
        return SealedBox(keyID: currentKeyID, nonce: nonce, ciphertext: sealed.ciphertext, tag: sealed.tag)
    }

    /// Opens a box that any key of the ring sealed for exactly this context.
    /// - Throws: `SealingError` with `unknownKey` or `notAuthentic`.
    public func open(_ box: SealedBox, associatedData context: SealContext) throws -> [UInt8] {
        guard let key = keys[box.keyID] else { throw unknown(box.keyID) }
        let associated = context.associatedData(keyID: box.keyID)
        return try AESGCM.open(box, key: key, associatedData: associated)
    }

    /// A fingerprint that only the holder of the current key can make: the same text gives the same one, and nobody can try
    /// out texts. 64 lower-case hexadecimal characters.
    /// - Parameter purpose: fingerprints for different purposes cannot be compared.
    public func fingerprint(of text: String, for purpose: String) -> String {
        let own = MessageAuthentication.sha256(
            key: keys[currentKeyID] ?? [], message: Array("fingerprint/\(purpose)".utf8))
        return MessageAuthentication.sha256(key: Array(own.utf8), message: Array(text.utf8))
    }

    /// Whether the box should be sealed anew because another key is current now.
    public func isOutdated(_ box: SealedBox) -> Bool { box.keyID != currentKeyID }

    private func unknown(_ id: String) -> SealingError {
        SealingError(
            .unknownKey, "sealed with key \(id), but the ring holds only \(keys.keys.sorted().joined(separator: ", "))")
    }

    /// The ids, never the keys.
    public var description: String {
        "SealingKeyring(current: \(currentKeyID), all: \(keys.keys.sorted().joined(separator: ", ")))"
    }
    /// The ids, never the keys.
    public var debugDescription: String { description }
    /// Empty, so that `dump` tells no key.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
