import Foundation
import Testing

@testable import Fuzz

extension FuzzedParser: CustomTestStringConvertible {
    /// The name, in lists of tests.
    public var testDescription: String { name }
}

@Suite("Bytes from outside")
struct CorpusTests {
    /// Changed inputs for each one of the corpus; `make fuzz` goes on from there.
    private static let mutationsPerInput = 60
    /// Reading any input takes less, also in a debug build on a busy machine.
    private static let limit = Duration.seconds(20)

    @Test("every parser has a corpus, and every corpus a parser")
    func corpora() throws {
        let folders = try FileManager.default.contentsOfDirectory(atPath: Corpus.folder)
        #expect(Set(folders) == Set(FuzzedParser.all.map(\.name)))
        for parser in FuzzedParser.all { #expect(try !Corpus.inputs(of: parser).isEmpty, "\(parser.name)") }
    }

    @Test("a well-formed input is read")
    func wellFormed() throws {
        for parser in FuzzedParser.all {
            for input in try Corpus.inputs(of: parser) where input.name.hasPrefix("good-") {
                #expect(throws: Never.self, "\(parser.name)/\(input.name)") { try parser.read(input.bytes) }
            }
        }
    }

    @Test("whatever comes is read or refused, and soon", arguments: FuzzedParser.all)
    func reads(parser: FuzzedParser) throws {
        let inputs = try Corpus.inputs(of: parser)
        var mutation = Mutation(seed: 1)
        for (place, input) in inputs.enumerated() {
            var tried = [input.bytes]
            for number in 0..<CorpusTests.mutationsPerInput {
                tried.append(mutation.mutated(input.bytes, with: inputs[(place + number) % inputs.count].bytes))
            }
            for bytes in tried {
                let start = ContinuousClock.now
                do { try parser.read(bytes) } catch {}  // refused
                let time = ContinuousClock.now - start
                #expect(
                    time < CorpusTests.limit, "\(parser.name) took \(time) for \(Data(bytes).base64EncodedString())")
            }
        }
    }
}
