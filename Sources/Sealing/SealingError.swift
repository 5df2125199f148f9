/// Why a key ring or a sealed text cannot be used. Never holds a key or a plaintext.
public struct SealingError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kind of failure.
    public enum Code: String, Sendable {
        /// The text of the key ring is wrong.
        case malformedKeyring
        /// The sealed text is not of the form `v1:<key id>:<base64>`.
        case malformedBox
        /// The box was sealed with a key that the ring does not hold.
        case unknownKey
        /// The box is not authentic: altered, or sealed for another tenant, cluster or field, or with another key.
        case notAuthentic
        /// OpenSSL failed.
        case cipher
    }

    /// The kind of failure.
    public let code: Code
    /// What was found and what to do.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// Code and message.
    public var description: String { "\(code.rawValue): \(message)" }
}
