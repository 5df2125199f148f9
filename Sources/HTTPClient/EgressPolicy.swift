/// Which addresses a request may connect to. Judged after DNS, at each connect and again at each reuse of a connection.
public enum EgressPolicy: Sendable, Hashable {
    /// The operator chose the endpoint (AWS, moto on loopback): any address.
    case operatorConfigured
    /// A customer chose it: `https` only, public addresses only, plus what the operator allows (EGRESS_ALLOWED_CIDRS).
    case customerNamed(allowed: [CIDR])

    /// Nil when the address may be connected to, else why not.
    func refusal(of address: IPAddress) -> String? {
        guard case .customerNamed(let allowed) = self else { return nil }
        if let kind = EgressPolicy.kind(of: address, in: EgressPolicy.never) {
            return "\(address) is \(kind), which is never connected to"
        }
        if allowed.contains(where: { $0.contains(address) }) { return nil }
        guard let kind = EgressPolicy.kind(of: address, in: EgressPolicy.unlessAllowed) else { return nil }
        return "\(address) is \(kind) and not within EGRESS_ALLOWED_CIDRS"
    }

    private static func kind(of address: IPAddress, in table: [(range: CIDR, kind: String)]) -> String? {
        table.first { $0.range.contains(address) }?.kind
    }

    private static func table(_ rows: [(String, String)]) -> [(range: CIDR, kind: String)] {
        rows.map { text, kind in
            guard let range = try? CIDR(text) else { preconditionFailure("\(text) in the egress table") }
            return (range, kind)
        }
    }

    private static let never = table([
        ("0.0.0.0/8", "an unspecified address"), ("::", "an unspecified address"),
        ("169.254.0.0/16", "a link-local address"), ("fe80::/10", "a link-local address"),
        ("fd00:ec2::/32", "a metadata address"),
        ("224.0.0.0/4", "a multicast address"), ("ff00::/8", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
    ])

    /// IANA special-purpose registries (RFC 6890 and its updates).
    private static let unlessAllowed = table([
        ("127.0.0.0/8", "a loopback address"), ("::1", "a loopback address"),
        ("10.0.0.0/8", "a private address"), ("172.16.0.0/12", "a private address"),
        ("192.168.0.0/16", "a private address"), ("fc00::/7", "a private address"), ("fec0::/10", "a private address"),
        ("100.64.0.0/10", "a carrier-grade NAT address"), ("192.0.0.0/24", "a special-purpose address"),
        ("198.18.0.0/15", "a benchmarking address"), ("192.0.2.0/24", "a documentation address"),
        ("198.51.100.0/24", "a documentation address"), ("203.0.113.0/24", "a documentation address"),
        ("2001:db8::/32", "a documentation address"), ("100::/64", "a discard address"),
    ])
}
