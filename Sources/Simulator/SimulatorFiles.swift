import Foundation
import Processes

/// Certificates and kubeconfigs for a simulator, made with the `openssl` command.
public struct SimulatorFiles: Sendable {
    /// PEM of the authority that clients trust.
    public var authorityPath: String
    /// PEM of the server's certificate.
    public var certificatePath: String
    /// PEM of the server's private key, readable by its owner only.
    public var privateKeyPath: String
    /// The folder of all of them.
    public var directory: String

    /// What went wrong while the files were made.
    public struct Failure: Error, CustomStringConvertible {
        /// The command and what it printed.
        public var description: String
    }

    private static let daysValid = "30"

    /// Makes an authority and a server certificate for the hosts, unless the folder has them already.
    /// - Parameters:
    ///   - directory: created when missing.
    ///   - hosts: host names and addresses that clients use.
    /// - Throws: `Failure` when `openssl` cannot be run or fails.
    public init(directory: String, hosts: [String] = ["localhost", "127.0.0.1"]) throws {
        self.directory = directory
        authorityPath = directory + "/ca.crt"
        certificatePath = directory + "/server.crt"
        privateKeyPath = directory + "/server.key"
        let files = FileManager.default
        try files.createDirectory(atPath: directory, withIntermediateDirectories: true)
        if [authorityPath, certificatePath, privateKeyPath].allSatisfy(files.fileExists(atPath:)) { return }
        let names = hosts.map { host in
            host.contains(":") || host.allSatisfy { $0.isNumber || $0 == "." } ? "IP:\(host)" : "DNS:\(host)"
        }
        let extensions =
            "subjectAltName=\(names.joined(separator: ","))\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n"
        try Data(extensions.utf8).write(to: URL(fileURLWithPath: directory + "/server.ext"))
        let authorityKey = directory + "/ca.key"
        try Self.openssl([
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", Self.daysValid,
            "-subj",
            "/CN=CloudOptim simulator authority", "-keyout", authorityKey, "-out", authorityPath, "-addext",
            "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        ])
        try Self.openssl([
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=simulator",
            "-keyout",
            privateKeyPath, "-out", directory + "/server.csr",
        ])
        try Self.openssl([
            "x509", "-req", "-in", directory + "/server.csr", "-CA", authorityPath, "-CAkey", authorityKey,
            "-CAcreateserial",
            "-days", Self.daysValid, "-extfile", directory + "/server.ext", "-out", certificatePath,
        ])
    }

    /// Writes a kubeconfig.
    /// - Parameter token: a bearer token of the cluster.
    /// - Returns: its path, `<directory>/<cluster>-<role>.kubeconfig`.
    @discardableResult
    public func writeKubeconfig(cluster: SimulatedCluster, role: SimulatedRole, host: String = "127.0.0.1", port: Int)
        throws -> String
    {
        guard let token = cluster.tokens.filter({ $0.value == role }).keys.min() else {
            throw Failure(description: "cluster \(cluster.name) has no token for the role \(role.rawValue)")
        }
        let authority = try Data(contentsOf: URL(fileURLWithPath: authorityPath)).base64EncodedString()
        let text = """
            apiVersion: v1
            kind: Config
            current-context: \(cluster.name)
            clusters:
            - name: \(cluster.name)
              cluster:
                server: https://\(host):\(port)/clusters/\(cluster.name)
                certificate-authority-data: \(authority)
            contexts:
            - name: \(cluster.name)
              context:
                cluster: \(cluster.name)
                user: \(role.rawValue)
            users:
            - name: \(role.rawValue)
              user:
                token: \(token)

            """
        let path = "\(directory)/\(cluster.name)-\(role.rawValue).kubeconfig"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        return path
    }

    private static func openssl(_ arguments: [String]) throws {
        let (status, output) = try ChildProcess.run(["openssl"] + arguments)
        guard status == 0 else {
            throw Failure(
                description: "openssl \(arguments.first ?? "") failed: \(String(decoding: output, as: UTF8.self))")
        }
    }
}
