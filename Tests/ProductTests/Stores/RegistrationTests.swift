import Foundation
import Infrastructure
import Testing

@Suite("Registrations and errors")
struct RegistrationTests {
    @Test("a good registration has no problems")
    func good() { #expect(Scene.registration().problems.isEmpty) }

    static let mistakes: [(String, @Sendable (inout ClusterRegistration) -> Void)] = [
        ("id", { $0.id = "Prod!" }), ("tenant", { $0.tenant = "" }), ("name", { $0.name = "a/b" }),
        ("account", { $0.account = "12345678901x" }), ("region", { $0.region = "US" }),
        ("endpoint", { $0.endpoint = "http://k8s.example" }), ("queue_url", { $0.queueURL = "" }),
        ("role_arn", { $0.roleARN = "arn:aws:iam::1:user/x" }),
        ("external_id", { $0.roleARN = "arn:aws:iam::123456789012:role/x" }),
        ("time_zone", { $0.timeZone = "Mars/Olympus" }), ("environment", { $0.environment = "prod" }),
        ("launch.template", { $0.launch?.template.id = "my-template" }),
    ]

    @Test("each wrong field is named", arguments: mistakes)
    func wrong(field: String, change: @Sendable (inout ClusterRegistration) -> Void) {
        var registration = Scene.registration()
        change(&registration)
        #expect(registration.problems.contains { $0.hasPrefix("'\(field)' is") }, "\(registration.problems)")
    }

    @Test("only an answer that surely did nothing and never will is definite", arguments: FarSideError.Code.allCases)
    func definite(code: FarSideError.Code) {
        let passing: Set<FarSideError.Code> = [.throttled, .fault, .network, .tooLarge, .malformed]
        #expect(FarSideError(code, "x").isDefinite == !passing.contains(code))
        #expect(!FarSideError(code, "x", mayHaveBeenExecuted: true).isDefinite)
    }

    @Test("amounts saturate instead of trapping")
    func amounts() {
        #expect(MilliCPU(rawValue: .max) + 1 == MilliCPU(rawValue: .max))
        #expect(Bytes(rawValue: .min) - 1 == Bytes(rawValue: .min))
        #expect(Bytes.mebibytes(.max) == Bytes(rawValue: .max))
    }

    @Test("a credential never prints its token")
    func credential() { #expect(!"\(ClusterCredential(token: "s3cret"))".contains("s3cret")) }
}
