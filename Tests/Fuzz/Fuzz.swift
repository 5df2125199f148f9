import Foundation

#if FUZZER
    @_silgen_name("LLVMFuzzerRunDriver")
    private func runDriver(
        _ count: UnsafeMutablePointer<Int32>,
        _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
        _ read: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
    ) -> Int32

    /// Named in the environment: the arguments are libFuzzer's.
    private let chosen = FuzzedParser.all.first { $0.name == ProcessInfo.processInfo.environment["FUZZ_TARGET"] }

    /// What libFuzzer calls for each input.
    @_cdecl("LLVMFuzzerTestOneInput")
    public func readOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
        let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
        do { try chosen?.read(bytes) } catch { return 0 }  // bad input was refused, as it should be
        return 0
    }
#endif

/// `make fuzz`: libFuzzer over the parsers of outside bytes, one a process, chosen by FUZZ_TARGET. Without `-D FUZZER` it
/// lists their names.
@main
struct Fuzz {
    static func main() {
        #if FUZZER
            guard chosen != nil else {
                print("FUZZ_TARGET is none of: \(FuzzedParser.all.map(\.name).joined(separator: " "))")
                exit(2)
            }
            var count = CommandLine.argc
            var arguments = unsafe CommandLine.unsafeArgv
            exit(unsafe runDriver(&count, &arguments, readOneInput))
        #else
            print(FuzzedParser.all.map(\.name).joined(separator: "\n"))
        #endif
    }
}
