import Foundation
import Yams

/// A kubeconfig, read as data: nothing in it is ever run, and a file it names is read only through the closure that an
/// operator's command passes (a kubeconfig that a customer uploads must not make us read our own files).
public struct Kubeconfig: Sendable {
    /// Where a named cluster is and who we are there.
    private let document: YAMLField

    /// No kubeconfig of a real fleet comes near this.
    static let bytesMax = 1024 * 1024

    /// Reads the YAML (or JSON) text.
    /// - Throws: `KubernetesError` with code `.badConfiguration` naming the line.
    public init(_ text: String) throws {
        try KubeconfigText.check(text)
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw KubernetesError(.badConfiguration, KubeconfigText.message(error))
        }
        guard let root, root.mapping != nil else {
            throw KubernetesError(
                .badConfiguration, "kubeconfig line 1: wanted a mapping with clusters, contexts and users")
        }
        document = YAMLField(node: root, path: "kubeconfig")
        if let kind = try document["kind"]?.string(), kind != "Config" {
            throw KubernetesError(.badConfiguration, "kubeconfig: kind is \"\(kind.prefix(64))\"; wanted Config")
        }
    }

    /// The contexts' names, in the file's order.
    /// - Throws: `KubernetesError` with code `.badConfiguration` when the list is malformed.
    public func contextNames() throws -> [String] {
        try entries("contexts").map { try $0.required("name").string() }
    }

    /// `current-context`, nil when it is absent or empty.
    /// - Throws: `KubernetesError` with code `.badConfiguration` when it is not a string.
    public func currentContext() throws -> String? {
        guard let name = try document["current-context"]?.string(), !name.isEmpty else { return nil }
        return name
    }

    /// The connection of a context.
    /// - Parameters:
    ///   - context: its name; nil for `current-context`, or the only one there is.
    ///   - resolvingFiles: reads a file the kubeconfig names; nil refuses such references.
    /// - Throws: `KubernetesError` with code `.badConfiguration` naming the entry, field and line; and whatever
    ///   `resolvingFiles` throws.
    public func connection(
        context name: String? = nil, resolvingFiles: ((_ path: String) throws -> [UInt8])? = nil
    ) throws -> ClusterConnection {
        let names = try contextNames()
        guard let chosen = try name ?? currentContext() ?? (names.count == 1 ? names[0] : nil) else {
            throw KubernetesError(
                .badConfiguration,
                "kubeconfig: no current-context; name one of: \(names.prefix(20).joined(separator: ", "))")
        }
        let context = try entry("contexts", named: chosen, holding: "context")
        let clusterName = try context.required("cluster").string()
        let userName = try context.required("user").string()
        let cluster = try entry("clusters", named: clusterName, holding: "cluster")
        let user = try entry("users", named: userName, holding: "user")
        try KubeconfigRules.refuseUnsafe(cluster: cluster, user: user, userName: userName)

        let files = KubeconfigFiles(read: resolvingFiles)
        let authority = try files.text(of: cluster, data: "certificate-authority-data", file: "certificate-authority")
        let credential = try credential(of: user, name: userName, files: files)
        let server = try cluster.required("server")
        return try server.located {
            try ClusterConnection(endpoint: try server.string(), authorityPEM: authority, credential: credential)
        }
    }

    private func credential(of user: YAMLField, name: String, files: KubeconfigFiles) throws
        -> ClusterConnection.Credential
    {
        // As in client-go, a token file is preferred to an inline token, and both to a certificate.
        if let file = try user["tokenFile"], !(try file.string()).isEmpty {
            return .token(try files.read(file))
        }
        if let token = try user["token"]?.string(), !token.isEmpty { return .token(token) }
        let certificate = try files.text(of: user, data: "client-certificate-data", file: "client-certificate")
        let key = try files.text(of: user, data: "client-key-data", file: "client-key")
        switch (certificate, key) {
        case (let certificate?, let key?): return .clientCertificate(certificatePEM: certificate, keyPEM: key)
        case (nil, nil):
            throw user.error(
                "user \"\(name)\" has no credential; wanted a token, or client-certificate-data with client-key-data")
        default:
            throw user.error("user \"\(name)\" has only one of client certificate and client key; wanted both")
        }
    }

    private func entries(_ list: String) throws -> [YAMLField] {
        try document[list]?.sequence() ?? []
    }

    private func entry(_ list: String, named name: String, holding field: String) throws -> YAMLField {
        for entry in try entries(list) where try entry["name"]?.string() == name {
            return try entry.required(field)
        }
        throw document.error("\(list) has no entry named \"\(name.prefix(200))\"")
    }
}

/// What a kubeconfig may not ask of us.
private enum KubeconfigRules {
    /// A reason for each field: ignoring it would change who we are, or whom we talk to.
    private static let refusedOfUser: [(field: String, why: String)] = [
        ("exec", "it would run a program here; use a service account token"),
        ("auth-provider", "it would run a login here; use a service account token"),
        ("username", "API servers no longer take passwords; use a service account token"),
        ("password", "API servers no longer take passwords; use a service account token"),
        ("as", "impersonation is not supported; use a token of that user"),
        ("as-groups", "impersonation is not supported; use a token of that user"),
        ("as-uid", "impersonation is not supported; use a token of that user"),
        ("as-user-extra", "impersonation is not supported; use a token of that user"),
    ]
    private static let refusedOfCluster: [(field: String, why: String)] = [
        ("proxy-url", "the endpoint must be reachable directly"),
        ("tls-server-name", "the certificate must name the server's own host"),
    ]

    static func refuseUnsafe(cluster: YAMLField, user: YAMLField, userName: String) throws {
        for (field, why) in refusedOfUser {
            if let found = try user[field], !found.isEmpty {
                throw found.error("user \"\(userName.prefix(200))\" uses \(field), which is refused: \(why)")
            }
        }
        if let insecure = try cluster["insecure-skip-tls-verify"], try insecure.string() != "false" {
            throw insecure.error("insecure-skip-tls-verify is refused: give the cluster's certificate-authority-data")
        }
        for (field, why) in refusedOfCluster {
            if let found = try cluster[field], !found.isEmpty { throw found.error("\(field) is refused: \(why)") }
        }
    }
}

/// Inline base64 data, or a file by the operator's leave.
private struct KubeconfigFiles {
    var read: ((_ path: String) throws -> [UInt8])?

    func text(of entry: YAMLField, data: String, file: String) throws -> String? {
        if let field = try entry[data], !(try field.string()).isEmpty {
            // Wrapped base64 is common; anything else in it is an error.
            let compact = try field.string().filter { !$0.isWhitespace }
            guard let bytes = Data(base64Encoded: compact), let text = String(data: bytes, encoding: .utf8) else {
                throw field.error("is not base64 of PEM text")
            }
            return text
        }
        guard let field = try entry[file], !(try field.string()).isEmpty else { return nil }
        return try read(field)
    }

    func read(_ field: YAMLField) throws -> String {
        guard let read else {
            throw field.error(
                "names a file, which is read only from the operator's command line; inline its content instead")
        }
        guard let text = String(validating: try read(try field.string()), as: UTF8.self) else {
            throw field.error("names a file that is not text")
        }
        return text
    }
}
