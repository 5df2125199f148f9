import COpenSSL

/// Signs messages so that their receiver can tell who sent them and that nothing was changed.
public enum MessageAuthentication {
    /// HMAC-SHA256 of a message, as 64 lower-case hexadecimal characters. Source: RFC 2104.
    public static func sha256(key: [UInt8], message: [UInt8]) -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        var count: UInt32 = 32
        _ = unsafe HMAC(EVP_sha256(), key, Int32(key.count), message, message.count, &digest, &count)
        let hex = Array("0123456789abcdef".utf8)
        return String(decoding: digest.flatMap { [hex[Int($0 >> 4)], hex[Int($0 & 15)]] }, as: UTF8.self)
    }
}
