import Foundation

/// An AWS service that is called.
public enum AWSService: String, Sendable, CaseIterable {
    /// Instances, volumes, prices.
    case ec2
    /// Queues.
    case sqs
    /// Roles.
    case sts
    /// Auto Scaling groups.
    case autoscaling
    /// Kubernetes clusters.
    case eks
    /// The price list.
    case pricing
    /// CloudWatch Logs.
    case logs
    /// Objects.
    case s3

    /// The service's part of `AWS_ENDPOINT_URL_<…>`.
    var environmentName: String {
        switch self {
        case .ec2: "EC2"
        case .sqs: "SQS"
        case .sts: "STS"
        case .autoscaling: "AUTO_SCALING"
        case .eks: "EKS"
        case .pricing: "PRICING"
        case .logs: "CLOUDWATCH_LOGS"
        case .s3: "S3"
        }
    }
}

/// Where the services are: the addresses of AWS by region, or those of `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>`.
public struct AWSEndpoints: Sendable {
    private let overrides: [AWSService: String]

    /// Reads the overrides.
    /// - Throws: `CredentialsError`, naming the variable, when one is no http or https URL.
    public init(environment: [String: String] = [:]) throws {
        var overrides: [AWSService: String] = [:]
        for service in AWSService.allCases {
            for name in ["AWS_ENDPOINT_URL_" + service.environmentName, "AWS_ENDPOINT_URL"] {
                guard overrides[service] == nil, let text = environment[name], !text.isEmpty else { continue }
                guard let parts = URLComponents(string: text), ["http", "https"].contains(parts.scheme),
                    parts.host?.isEmpty == false, parts.query == nil, parts.user == nil
                else { throw CredentialsError(description: "\(name) is no http or https URL: \(text)") }
                overrides[service] = text.hasSuffix("/") ? String(text.dropLast()) : text
            }
        }
        self.overrides = overrides
    }

    /// The base URL, without a slash at its end.
    /// - Throws: `AWSError` with `invalidRequest` when the region is none: it becomes part of a host name.
    func url(_ service: AWSService, region: String) throws -> String {
        if let url = overrides[service] { return url }
        guard AWSEndpoints.isRegion(region) else {
            throw AWSError(
                .invalidRequest, action: service.rawValue, message: "\"\(region.prefix(40))\" is no AWS region",
                mayHaveBeenExecuted: false)
        }
        let host = service == .pricing ? "api.pricing" : service.rawValue
        return "https://\(host).\(region).\(AWSEndpoints.suffix(region))"
    }

    static func isRegion(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        return (3...5).contains(parts.count) && text.utf8.count <= 32
            && parts.allSatisfy { part in
                !part.isEmpty && part.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) }
            } && parts.last.map { $0.utf8.allSatisfy { (48...57).contains($0) } } == true
    }

    private static func suffix(_ region: String) -> String {
        let suffixes = [
            ("cn-", "amazonaws.com.cn"), ("us-iso-", "c2s.ic.gov"), ("us-isob-", "sc2s.sgov.gov"),
            ("eu-isoe-", "cloud.adc-e.uk"), ("us-isof-", "csp.hci.ic.gov"), ("eusc-", "amazonaws.eu"),
        ]
        return suffixes.first { region.hasPrefix($0.0) }?.1 ?? "amazonaws.com"
    }
}
