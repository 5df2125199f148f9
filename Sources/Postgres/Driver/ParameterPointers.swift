extension EncodedParameters {
    /// Whether a statement prepared with these types takes these values; NULL fits every type.
    func fits(_ preparedTypeIDs: [UInt32]) -> Bool {
        guard preparedTypeIDs.count == typeIDs.count else { return false }
        for index in typeIDs.indices where offsets[index] != nil && typeIDs[index] != preparedTypeIDs[index] {
            return false
        }
        return true
    }

    /// Calls `body` with libpq's three parallel arrays; they are valid during the call only.
    func withPointers<Value>(
        _ body: (UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?) throws -> Value
    ) rethrows -> Value {
        try unsafe buffer.withUnsafeBytes { bytes in
            let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
            let values = unsafe offsets.map { offset in
                unsafe offset.flatMap { place in unsafe start.map { unsafe UnsafePointer($0 + place) } }
            }
            return try unsafe values.withUnsafeBufferPointer { values in
                try unsafe lengths.withUnsafeBufferPointer { lengths in
                    try unsafe formats.withUnsafeBufferPointer { formats in
                        try unsafe body(values.baseAddress, lengths.baseAddress, formats.baseAddress)
                    }
                }
            }
        }
    }
}

/// Calls `body` with a null-terminated array of C strings, valid during the call only.
func withCStrings<Value>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) throws -> Value
) rethrows -> Value {
    var bytes: [CChar] = []
    var offsets: [Int] = []
    for string in strings {
        offsets.append(bytes.count)
        bytes.append(contentsOf: string.utf8.map { CChar(bitPattern: $0) })
        bytes.append(0)
    }
    return try unsafe bytes.withUnsafeBufferPointer { buffer in
        var pointers = unsafe offsets.map { offset in unsafe buffer.baseAddress.map { unsafe $0 + offset } }
        unsafe pointers.append(nil)
        return try unsafe pointers.withUnsafeBufferPointer { list in
            guard let start = list.baseAddress else { preconditionFailure("an array that holds nil has an address") }
            return try unsafe body(start)
        }
    }
}
