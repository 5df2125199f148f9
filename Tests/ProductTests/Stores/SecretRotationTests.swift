import Foundation
import Infrastructure
import JobQueue
import Postgres
import Sealing
import Testing

@testable import Stores

@Suite("Rotation of sealing keys")
struct SecretRotationTests {
    private static func key(_ id: String) -> String {
        "\(id):" + Data((0..<32).map { _ in UInt8.random(in: 0...255) }).base64EncodedString()
    }

    private func register(_ count: Int, _ scene: StoreScene, _ keyring: SealingKeyring) async throws {
        let store = ClusterStore(scene.connection, keyring: keyring)
        for number in 0..<count {
            let registration = ClusterRegistration(
                id: ClusterID(rawValue: "c\(number)"), tenant: "acme", name: "c\(number)", account: "123456789012",
                region: "us-east-1", endpoint: "https://c\(number).example.com", authority: nil, queueURL: nil,
                roleARN: nil, externalID: nil, timeZone: "UTC", environment: "production", mode: .observe, launch: nil)
            try await store.add(registration, credential: ClusterCredential(token: "token-\(number)"))
        }
    }

    private func opens(_ scene: StoreScene, _ keyring: SealingKeyring, _ count: Int) async throws -> Int {
        let store = ClusterStore(scene.connection, keyring: keyring)
        var opened = 0
        for number in 0..<count {
            do {
                let found = try await store.credential(of: ClusterID(rawValue: "c\(number)"), for: "acme")
                if found.token == "token-\(number)" { opened += 1 }
            } catch is FarSideError {
                continue
            }
        }
        return opened
    }

    @Test("rows under the old key are sealed anew, in as many runs as it takes; then the old key can go")
    func rotate() async throws {
        try await StoreScene.with { scene in
            let (old, new) = (Self.key("old"), Self.key("new"))
            try await register(7, scene, try SealingKeyring(text: old))
            let ring = try SealingKeyring(text: new + "\n" + old)
            let rotation = SecretRotation(scene.connection, keyring: ring)
            #expect(try await rotation.run(isDryRun: true).resealed == 7)
            #expect(try await SecretRotation.rowsByKey(on: scene.connection) == ["old": 7])
            #expect(try await rotation.run(rowsMax: 3).resealed == 3, "stopped in the middle")
            #expect(try await SecretRotation.rowsByKey(on: scene.connection) == ["old": 4, "new": 3])
            #expect(try await opens(scene, ring, 7) == 7, "both keys open meanwhile")
            let rest = try await rotation.run()
            #expect(rest.resealed == 4 && rest.current == 3 && rest.unreadable == [:])
            #expect(try await rotation.run().resealed == 0)
            #expect(try await opens(scene, try SealingKeyring(text: new), 7) == 7)
            #expect(try await opens(scene, try SealingKeyring(text: old), 7) == 0)
        }
    }

    @Test("a row that no key opens is named and left as it is; the others go on")
    func unreadable() async throws {
        try await StoreScene.with { scene in
            let (lost, old, new) = (Self.key("lost"), Self.key("old"), Self.key("new"))
            try await register(1, scene, try SealingKeyring(text: lost))
            let before = try await scene.connection.query("SELECT credential FROM cluster")[0].string(0)
            let store = ClusterStore(scene.connection, keyring: try SealingKeyring(text: old))
            try await store.add(
                ClusterRegistration(
                    id: "other", tenant: "acme", name: "other", account: "123456789012", region: "us-east-1",
                    endpoint: "https://o.example.com", authority: nil, queueURL: nil, roleARN: nil, externalID: nil,
                    timeZone: "UTC", environment: "production", mode: .observe, launch: nil),
                credential: ClusterCredential(token: "t"))
            let ring = try SealingKeyring(text: new + "\n" + old)
            let report = try await SecretRotation(scene.connection, keyring: ring).run()
            #expect(report.resealed == 1)
            #expect(report.unreadable.keys.sorted() == ["c0"])
            #expect(report.unreadable["c0"]?.contains("lost") == true)
            let after = try await scene.connection.query("SELECT credential FROM cluster WHERE id = 'c0'")[0].string(0)
            #expect(after == before)
        }
    }
}
