import Foundation

extension ClusterRegistration {
    /// What is wrong with it, one sentence for each field; empty: nothing.
    public var problems: [String] {
        var found: [String] = []
        func want(_ holds: Bool, _ field: String, _ value: String, _ wanted: String) {
            if !holds { found.append("'\(field)' is '\(value.prefix(80))', wanted \(wanted)") }
        }
        let name = /[a-z0-9][a-z0-9-]{0,62}/
        want(
            id.rawValue.wholeMatch(of: name) != nil, "id", id.rawValue, "1 to 63 lower-case letters, digits and hyphens"
        )
        want(
            tenant.rawValue.wholeMatch(of: name) != nil, "tenant", tenant.rawValue,
            "1 to 63 lower-case letters, digits and hyphens")
        want(
            self.name.wholeMatch(of: /[0-9A-Za-z][0-9A-Za-z_-]{0,99}/) != nil, "name", self.name,
            "the cluster's name in EKS, 1 to 100 letters, digits, - and _")
        want(account.wholeMatch(of: /[0-9]{12}/) != nil, "account", account, "12 digits")
        want(region.wholeMatch(of: /[a-z0-9-]{4,32}/) != nil, "region", region, "an AWS region such as eu-central-1")
        want(
            endpoint.hasPrefix("https://") && URL(string: endpoint)?.host != nil, "endpoint", endpoint,
            "an https:// URL")
        if let queueURL {
            want(
                (1...512).contains(queueURL.utf8.count) && URL(string: queueURL)?.host != nil, "queue_url", queueURL,
                "the queue's URL")
        }
        if let roleARN {
            want(
                roleARN.wholeMatch(of: /arn:aws[a-z-]*:iam::[0-9]{12}:role\/[\w+=,.@\/-]{1,512}/) != nil, "role_arn",
                roleARN, "arn:aws:iam::<account>:role/<name>")
            want(
                (2...1224).contains(externalID?.utf8.count ?? 0), "external_id", externalID ?? "",
                "the external id of the role's trust policy, 2 to 1224 characters")
        }
        want(TimeZone(identifier: timeZone) != nil, "time_zone", timeZone, "a time zone such as Europe/Berlin")
        want(
            ["production", "staging", "development"].contains(environment), "environment", environment,
            "production, staging or development")
        if let launch {
            want(
                launch.template.id.wholeMatch(of: /lt-[0-9a-f]{8,17}/) != nil, "launch.template", launch.template.id,
                "a launch template's id such as lt-0123456789abcdef0")
        }
        return found
    }
}
