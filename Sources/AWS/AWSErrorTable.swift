/// Sorts the codes of AWS into ours. The code goes before the HTTP status: EC2 sends `InsufficientInstanceCapacity` with
/// status 500 and `RequestLimitExceeded` with 503. Sources: the EC2, SQS, STS and Auto Scaling API references.
enum AWSErrorTable {
    static func code(_ awsCode: String, message: String, status: Int) -> AWSError.Code {
        if let known = codes[awsCode] { return known }
        if awsCode.hasPrefix("AuthFailure.") || awsCode.hasPrefix("AccessDenied") { return .unauthorized }
        if awsCode.contains("Throttl") { return .throttled }
        if awsCode.hasSuffix(".NotFound") || awsCode.hasSuffix("NotFoundException") { return .notFound }
        switch status {
        case 429: return .throttled
        case 401, 403: return .unauthorized
        case 404: return .notFound
        case 500...: return .serverFault
        default: return .invalidRequest
        }
    }

    /// Whether the credentials are good and a permission is missing.
    static func isMissingPermission(_ awsCode: String) -> Bool {
        awsCode == "UnauthorizedOperation" || awsCode.hasPrefix("AccessDenied")
            || awsCode == "AuthFailure.ServiceLinkedRoleCreationNotPermitted"
    }

    /// Whether a wrong clock can be behind it.
    static func mayBeClock(_ awsCode: String) -> Bool {
        [
            "RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture", "SignatureDoesNotMatch",
            "InvalidSignatureException", "AuthFailure",
        ].contains(awsCode)
    }

    private static let codes: [String: AWSError.Code] = {
        var table: [String: AWSError.Code] = [:]
        for (code, names) in names { for name in names { table[name] = code } }
        return table
    }()

    private static let names: [(AWSError.Code, [String])] = [
        (
            .throttled,
            [
                "RequestLimitExceeded", "TooManyRequestsException", "SlowDown", "PriorRequestNotComplete",
                "BandwidthLimitExceeded", "ResourceContention", "ScalingActivityInProgress",
                "SnapshotCreationPerVolumeRateExceeded", "RequestThrottled", "429",
            ]
        ),
        (
            .unauthorized,
            [
                "UnauthorizedOperation", "AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException",
                "SignatureDoesNotMatch", "InvalidSignatureException", "MissingAuthenticationToken",
                "IncompleteSignature", "OptInRequired", "InvalidIdentityToken", "IDPRejectedClaim", "Blocked",
                "PendingVerification",
            ]
        ),
        (.expiredCredentials, ["ExpiredToken", "ExpiredTokenException", "RequestExpired"]),
        (.clockSkew, ["RequestTimeTooSkewed", "RequestInTheFuture"]),
        (
            .notFound,
            ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "NoSuchEntity", "InvalidInstanceID"]
        ),
        (
            .insufficientCapacity,
            [
                "InsufficientInstanceCapacity", "UnfulfillableCapacity", "Unsupported", "InsufficientCapacity",
                "InsufficientFreeAddressesInSubnet", "ReservationCapacityExceeded", "InsufficientHostCapacity",
                "InsufficientReservedInstanceCapacity", "InsufficientCapacityOnHost", "SpotMaxPriceTooLow",
            ]
        ),
        (
            .limitExceeded,
            [
                "VcpuLimitExceeded", "MaxSpotInstanceCountExceeded", "MaxFleetCountExceeded", "InstanceLimitExceeded",
                "OverLimit", "ConcurrentSnapshotLimitExceeded", "SnapshotLimitExceeded", "TagLimitExceeded",
                "LimitExceeded",
            ]
        ),
        (.idempotentMismatch, ["IdempotentParameterMismatch", "IdempotencyParameterMismatch"]),
        (.dryRunWouldSucceed, ["DryRunOperation"]),
        (
            .serverFault,
            [
                "InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable", "ServerInternal",
                "IDPCommunicationError",
            ]
        ),
    ]
}
