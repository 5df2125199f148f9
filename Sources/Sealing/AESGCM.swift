import COpenSSL

/// AES-256-GCM of OpenSSL's EVP interface.
enum AESGCM {
    static let tagBytes = 16

    static func randomBytes(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let done = unsafe bytes.withUnsafeMutableBufferPointer { unsafe RAND_bytes($0.baseAddress, Int32(count)) }
        guard done == 1 else { throw SealingError(.cipher, "the system gives no random bytes") }
        return bytes
    }

    static func seal(
        _ plaintext: [UInt8], key: [UInt8], nonce: [UInt8], associatedData: [UInt8]
    ) throws -> (ciphertext: [UInt8], tag: [UInt8]) {
        try unsafe withContext { context in
            var count: Int32 = 0
            var ciphertext = [UInt8](repeating: 0, count: plaintext.count + 16)
            var tag = [UInt8](repeating: 0, count: tagBytes)
            let size = try length(plaintext)
            let done = unsafe [
                EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), nil, key, nonce),
                EVP_EncryptUpdate(context, nil, &count, associatedData, try length(associatedData)),
                EVP_EncryptUpdate(context, &ciphertext, &count, plaintext, size),
                EVP_EncryptFinal_ex(context, &tag, &count),
                EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(tagBytes), &tag),
            ]
            guard done.allSatisfy({ $0 == 1 }) else { throw SealingError(.cipher, "AES-256-GCM could not seal") }
            return (Array(ciphertext.prefix(plaintext.count)), tag)
        }
    }

    static func open(_ box: SealedBox, key: [UInt8], associatedData: [UInt8]) throws -> [UInt8] {
        try unsafe withContext { context in
            var count: Int32 = 0
            var plaintext = [UInt8](repeating: 0, count: box.ciphertext.count + 16)
            var rest = [UInt8](repeating: 0, count: tagBytes)
            var tag = box.tag
            let size = try length(box.ciphertext)
            let done = unsafe [
                EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), nil, key, box.nonce),
                EVP_DecryptUpdate(context, nil, &count, associatedData, try length(associatedData)),
                EVP_DecryptUpdate(context, &plaintext, &count, box.ciphertext, size),
                EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tagBytes), &tag),
            ]
            guard done.allSatisfy({ $0 == 1 }) else { throw SealingError(.cipher, "AES-256-GCM could not open") }
            guard unsafe EVP_DecryptFinal_ex(context, &rest, &count) == 1 else {
                throw SealingError(
                    .notAuthentic,
                    "the value sealed with key \(box.keyID) was altered, or belongs to another tenant, cluster or field"
                )
            }
            return Array(plaintext.prefix(box.ciphertext.count))
        }
    }

    private static func length(_ bytes: [UInt8]) throws -> Int32 {
        guard let count = Int32(exactly: bytes.count) else { throw SealingError(.cipher, "more than 2 GiB to seal") }
        return count
    }

    private static func withContext<Value>(_ body: (OpaquePointer) throws -> Value) throws -> Value {
        guard let context = unsafe EVP_CIPHER_CTX_new() else { throw SealingError(.cipher, "OpenSSL has no memory") }
        defer { unsafe EVP_CIPHER_CTX_free(context) }
        return unsafe try body(context)
    }
}
