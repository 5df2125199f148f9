import Foundation
import HTTPClient
import Infrastructure
import Synchronization
import TestSupport
import Testing

@testable import AWS

@Suite("AWS calls that go wrong", .timeLimit(.minutes(10)))
struct FaultTests {
    /// Pauses that were asked for; none is waited.
    final class Pauses: Sendable {
        let all = Mutex<[Duration]>([])
    }

    let pauses = Pauses()

    private func client(_ server: ScriptServer, credentials: CredentialsSource? = nil) throws -> AWSClient {
        let pauses = pauses
        let timing = CallTiming(
            now: { Date() }, instant: { .now }, sleep: { wait in pauses.all.withLock { $0.append(wait) } },
            random: { 0.5 })
        return AWSClient(
            transport: HTTPTransport(), credentials: credentials ?? CredentialsSource(SignatureTests.session),
            region: "us-east-1", endpoints: try AWSEndpoints(environment: ["AWS_ENDPOINT_URL": server.url]),
            timing: timing)
    }

    private func failure(_ body: () async throws -> Void) async -> AWSError? {
        await #expect(throws: AWSError.self) { try await body() }
    }

    static let launched =
        "<RunInstancesResponse><instancesSet><item><instanceId>i-0123456789abcdef0</instanceId><instanceType>m5.large"
        + "</instanceType></item></instancesSet></RunInstancesResponse>"
    static let request = RunRequest(
        template: LaunchTemplate(id: "lt-1"), capacity: .spot,
        pool: FleetOverride(type: "m5.large", zone: "us-east-1a", subnet: nil), tags: ["a": "b"])

    @Test(
        "throttling, a 5xx and a lost reply are repeated, each with the same ClientToken",
        arguments: [
            Fault.ec2(503, "RequestLimitExceeded"), Fault.ec2(400, "Throttling"), Fault.ec2(500, "InternalError"),
            Fault(status: 502, body: "<html>"), Fault(drop: true),
        ])
    func repeated(fault: Fault) async throws {
        let server = try ScriptServer([fault, fault, Fault(body: FaultTests.launched)])
        let launched = try await client(server).runInstances(FaultTests.request, token: "token-1")
        #expect(launched.map(\.id) == ["i-0123456789abcdef0"])
        let seen = try await server.seen()
        #expect(seen.count == 3)
        #expect(Set(seen.map(\.body)).count == 1)
        #expect(seen[0].body.contains("ClientToken=token-1"))
        // Decorrelated jitter at a draw of one half: 100 ms + half of (3 x last - 100 ms).
        #expect(pauses.all.withLock { $0 } == [.milliseconds(200), .milliseconds(350)])
    }

    @Test(
        "after three attempts the last error is told",
        arguments: [
            (Fault.ec2(503, "RequestLimitExceeded"), AWSError.Code.throttled, false),
            (Fault.ec2(500, "InternalError"), .serverFault, true), (Fault(drop: true), .network, true),
        ])
    func givenUp(fault: Fault, code: AWSError.Code, isInDoubt: Bool) async throws {
        let server = try ScriptServer([fault])
        let error = await failure { _ = try await client(server).runInstances(FaultTests.request, token: "t") }
        #expect(error?.code == code)
        #expect(error?.mayHaveBeenExecuted == isInDoubt)
        #expect(error?.isDefiniteRefusal == false)
        #expect(try await server.seen().count == 3)
    }

    @Test(
        "a call that may not be repeated is sent once, and its outcome is unknown",
        arguments: [Fault.ec2(500, "InternalError"), Fault(drop: true)])
    func notRepeated(fault: Fault) async throws {
        let server = try ScriptServer([fault, Fault.done])
        let error = await failure {
            _ = try await client(server).createSnapshot(volume: "vol-1", description: "d", tags: [:])
        }
        #expect(error?.mayHaveBeenExecuted == true)
        #expect(try await server.seen().count == 1)
    }

    @Test("a refusal after a lost reply is no definite one: the first attempt may have been carried out")
    func doubtStays() async throws {
        let server = try ScriptServer([Fault(drop: true), .ec2(403, "UnauthorizedOperation")])
        let error = await failure { _ = try await client(server).runInstances(FaultTests.request, token: "t") }
        #expect(error?.code == .unauthorized)
        #expect(error?.mayHaveBeenExecuted == true)
        #expect(error?.isDefiniteRefusal == false)
    }

    @Test(
        "each refusal is sorted by its code and told once",
        arguments: [
            (
                Fault.ec2(500, "InsufficientInstanceCapacity"), AWSError.Code.insufficientCapacity,
                FarSideError.Code.noCapacity
            ),
            (.ec2(400, "VcpuLimitExceeded"), .limitExceeded, .noCapacity),
            (.ec2(403, "UnauthorizedOperation"), .unauthorized, .forbidden),
            (.ec2(401, "AuthFailure"), .unauthorized, .unauthorized),
            (.ec2(403, "AuthFailure.ServiceLinkedRoleCreationNotPermitted"), .unauthorized, .forbidden),
            (.ec2(400, "InvalidLaunchTemplateId.NotFound"), .notFound, .notFound),
            (.ec2(400, "IdempotentParameterMismatch"), .idempotentMismatch, .conflict),
            (.ec2(400, "InvalidParameterValue"), .invalidRequest, .refused),
            (.ec2(412, "DryRunOperation"), .dryRunWouldSucceed, .refused),
        ])
    func refused(fault: Fault, code: AWSError.Code, farCode: FarSideError.Code) async throws {
        let server = try ScriptServer([fault])
        let error = try #require(
            await failure { _ = try await client(server).runInstances(FaultTests.request, token: "t") })
        #expect(error.code == code)
        #expect(error.requestID == "req-1")
        #expect(error.isDefiniteRefusal)
        #expect(FarSideError(error).code == farCode)
        #expect(FarSideError(error).isDefinite)
        #expect(try await server.seen().count == 1)
    }

    @Test("errors of the JSON and query services are read too")
    func otherServices() async throws {
        let queue = try ScriptServer([.json(400, "QueueDoesNotExist")])
        let gone = await failure {
            _ = try await client(queue).receiveMessages(queue: "q", max: 1, visibility: .zero, wait: .zero)
        }
        #expect(gone?.code == .notFound)
        #expect(gone?.awsCode == "QueueDoesNotExist")
        let role = try ScriptServer([.query(403, "AccessDenied")])
        let denied = await failure {
            _ = try await client(role).assumeRole(RoleRequest(role: "r", externalID: nil, sessionName: "job"))
        }
        #expect(denied?.code == .unauthorized)
        #expect(denied?.requestID == "req-2")
    }

    @Test(
        "a clock that is off is corrected once by theirs, for this call and later ones",
        arguments: [
            "RequestTimeTooSkewed", "RequestExpired", "SignatureDoesNotMatch",
        ])
    func clock(code: String) async throws {
        let server = try ScriptServer([.ec2(403, code, ahead: 3_600), .noInstances])
        let client = try client(server)
        _ = try await client.describeInstances(filters: [])
        _ = try await client.describeInstances(filters: [])
        let dates = try await server.seen().compactMap { $0.headers["x-amz-date"] }
        #expect(dates.count == 3)
        let hourAhead = AWSTimestamp.compact(Date().addingTimeInterval(3_500))
        #expect(dates[0] < hourAhead)
        #expect(dates[1] > hourAhead)
        #expect(dates[2] > hourAhead)
        #expect(pauses.all.withLock { $0.isEmpty })
    }

    @Test("a clock that stays refused, and a wrong secret, are told after at most one correction")
    func hopelessClock() async throws {
        let server = try ScriptServer([.ec2(403, "RequestTimeTooSkewed", ahead: 3_600)])
        let error = await failure { _ = try await client(server).describeInstances(filters: []) }
        #expect(error?.code == .clockSkew)
        #expect(try await server.seen().count == 2)
        let wrong = try ScriptServer([.ec2(403, "SignatureDoesNotMatch")])
        #expect(await failure { _ = try await client(wrong).describeInstances(filters: []) }?.code == .unauthorized)
        #expect(try await wrong.seen().count == 1)
    }

    @Test("expired credentials are fetched anew, once")
    func expired() async throws {
        let fetched = Mutex(0)
        let source = CredentialsSource {
            let number = fetched.withLock { count in
                count += 1
                return count
            }
            return AWSCredentials(accessKeyID: "AKIA\(number)", secretAccessKey: "s")
        }
        let server = try ScriptServer([.ec2(400, "RequestExpired"), .noInstances])
        _ = try await client(server, credentials: source).describeInstances(filters: [])
        #expect(fetched.withLock { $0 } == 2)
        #expect(try await server.seen()[1].headers["authorization"]?.contains("AKIA2") == true)
    }

    @Test("no pause goes past the deadline, and a passed deadline sends nothing")
    func deadline() async throws {
        let server = try ScriptServer([.ec2(503, "RequestLimitExceeded")])
        let soon = CallOptions(deadline: .now + .milliseconds(150))
        let error = await failure { _ = try await client(server).describeInstances(filters: [], soon) }
        #expect(error?.mayHaveBeenExecuted == false)
        #expect(pauses.all.withLock { $0.isEmpty })
        let before = try await server.seen().count
        let passed = CallOptions(deadline: .now - .seconds(1))
        #expect(await failure { _ = try await client(server).describeInstances(filters: [], passed) }?.code == .network)
        #expect(try await server.seen().count == before)
    }

    @Test("no error tells a secret, though the answer does")
    func redaction() async throws {
        let keys = SignatureTests.session
        let secrets = keys.secrets
        for code in ["SignatureDoesNotMatch", "InvalidParameterValue"] {
            let server = try ScriptServer([.ec2(403, code, "x-amz-security-token:\(secrets[1]) key \(secrets[0])")])
            let error = try #require(await failure { _ = try await client(server).describeInstances(filters: []) })
            for secret in secrets {
                #expect(!"\(error)".contains(secret))
                #expect(!"\(FarSideError(error))".contains(secret))
            }
        }
        var dumped = ""
        dump(keys, to: &dumped)
        for text in ["\(keys)", String(reflecting: keys), dumped] {
            for secret in secrets { #expect(!text.contains(secret)) }
        }
    }

    @Test(
        "an answer that is not what was promised is malformed, and the change may have happened",
        arguments: [
            "", "<html>", "<R><instancesSet><item><instanceType>m5.large</instanceType></item></instancesSet></R>",
        ])
    func malformed(body: String) async throws {
        let server = try ScriptServer([Fault(body: body)])
        let error = await failure { _ = try await client(server).runInstances(FaultTests.request, token: "t") }
        #expect(error?.code == .malformedAnswer)
        #expect(error?.mayHaveBeenExecuted == true)
    }

    @Test("the trace context is passed on and every page is followed")
    func pages() async throws {
        let page = "<R><reservationSet/><nextToken>n1</nextToken></R>"
        let server = try ScriptServer([Fault(body: page), .noInstances])
        _ = try await client(server).describeInstances(filters: [], CallOptions(traceparent: "00-aa-bb-01"))
        let seen = try await server.seen()
        #expect(seen.count == 2)
        #expect(seen[0].headers["traceparent"] == "00-aa-bb-01")
        #expect(seen[1].body.contains("NextToken=n1"))
    }

    @Test("parameters bear the names that botocore gives them")
    func parameters() async throws {
        let server = try ScriptServer([Fault(body: "<R><errorSet/><fleetInstanceSet/></R>")])
        let client = try client(server)
        let pools = [
            FleetOverride(type: "m5.large", zone: "us-east-1a", subnet: "subnet-1"),
            FleetOverride(type: "c5.large", zone: "us-east-1b", subnet: nil),
        ]
        let fleet = FleetRequest(
            template: LaunchTemplate(id: "lt-1", version: "3"), capacity: .spot, overrides: pools, tags: ["a": "1"])
        #expect(try await client.createFleet(fleet, token: "t") == FleetAnswer(launched: []))
        let action = LifecycleAction(group: "g", hook: "h", token: "t", instance: "i-1")
        try await client.completeLifecycleAction(action)
        try await client.recordLifecycleActionHeartbeat(action)
        let launch = "LaunchTemplateConfigs.1."
        let hook =
            "&Version=2011-01-01&AutoScalingGroupName=g&LifecycleHookName=h&LifecycleActionToken=t&InstanceId=i-1"
        let expected = [
            "Action=CreateFleet&Version=2016-11-15&ClientToken=t&Type=instant"
                + "&TargetCapacitySpecification.TotalTargetCapacity=1"
                + "&TargetCapacitySpecification.DefaultTargetCapacityType=spot"
                + "&SpotOptions.AllocationStrategy=price-capacity-optimized"
                + "&\(launch)LaunchTemplateSpecification.LaunchTemplateId=lt-1"
                + "&\(launch)LaunchTemplateSpecification.Version=3"
                + "&\(launch)Overrides.1.InstanceType=m5.large&\(launch)Overrides.1.SubnetId=subnet-1"
                + "&\(launch)Overrides.2.InstanceType=c5.large&\(launch)Overrides.2.AvailabilityZone=us-east-1b"
                + "&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=a"
                + "&TagSpecification.1.Tag.1.Value=1&TagSpecification.2.ResourceType=volume"
                + "&TagSpecification.2.Tag.1.Key=a&TagSpecification.2.Tag.1.Value=1",
            "Action=CompleteLifecycleAction\(hook)&LifecycleActionResult=CONTINUE",
            "Action=RecordLifecycleActionHeartbeat\(hook)",
        ]
        #expect(try await server.seen().map(\.body) == expected)
    }

    @Test("a lifecycle hook that has ended is no error, another refusal is")
    func endedHook() async throws {
        let action = LifecycleAction(group: "g", hook: "h", token: nil, instance: "i-1")
        let text = "No active Lifecycle Action found with instance ID i-1"
        let ended = try ScriptServer([.query(400, "ValidationError", text)])
        try await EC2Cloud(client: client(ended)).completeLifecycleAction(action)
        let other = try ScriptServer([.query(400, "ValidationError", "group not found")])
        let error = await #expect(throws: FarSideError.self) {
            try await EC2Cloud(client: client(other)).completeLifecycleAction(action)
        }
        #expect(error?.code == .refused)
    }

    @Test("when the role's session cannot be had, the call itself surely was not sent")
    func noSession() async throws {
        let sts = try ScriptServer([.query(500, "InternalFailure")])
        let ec2 = try ScriptServer([.done])
        let endpoints = try AWSEndpoints(environment: ["AWS_ENDPOINT_URL_STS": sts.url, "AWS_ENDPOINT_URL": ec2.url])
        let timing = CallTiming(now: { Date() }, instant: { .now }, sleep: { _ in }, random: { 0 })
        let base = AWSClient(
            transport: HTTPTransport(), credentials: CredentialsSource(SignatureTests.plain), region: "us-east-1",
            endpoints: endpoints, timing: timing)
        let role = RoleRequest(role: "arn:r", externalID: nil, sessionName: "job")
        let client = await RoleSessions(base: base).client(role, region: "us-east-1")
        let error = await failure { try await client.terminateInstances(["i-0123456789abcdef0"]) }
        #expect(error?.code == .serverFault)
        #expect(error?.mayHaveBeenExecuted == false)
        #expect(try await ec2.seen().isEmpty)
    }

    @Test("changes wait for our own rate; reads do not")
    func rate() {
        let rate = CallRate(perSecond: 2, burst: 2)
        let start = ContinuousClock.now
        #expect(rate.book(now: start, most: .seconds(9)) == .zero)
        #expect(rate.book(now: start, most: .seconds(9)) == .zero)
        #expect(rate.book(now: start, most: .seconds(9)) == .milliseconds(500))
        #expect(rate.book(now: start, most: .milliseconds(900)) == nil)
        #expect(rate.book(now: start + .seconds(1), most: .zero) == .zero)
    }
}
