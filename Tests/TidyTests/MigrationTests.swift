import Foundation
import Testing

/// Expand, then contract: what an older release still reads may not go in the same release that stops writing it.
enum MigrationRule {
    /// Statements that take something away from programs of the release before. Each must say `-- contract: <why it is safe>`
    /// on its line.
    static func offenders(in sql: String) -> [String] {
        let taking =
            /(?i)\bDROP\s+(?:TABLE|COLUMN|VIEW|FUNCTION)\b|\bRENAME\s+(?:TO|COLUMN)\b|\bALTER\s+COLUMN\s+\w+\s+(?:SET\s+NOT\s+NULL|TYPE)\b|\bADD\s+COLUMN\s+(?:IF\s+NOT\s+EXISTS\s+)?\w+\s+[^,;]*NOT\s+NULL/
        return sql.split(separator: "\n").filter { line in
            if line.contains("-- contract: ") { return false }
            let code = line.firstRange(of: "--").map { line[..<$0.lowerBound] } ?? line
            guard let match = code.firstMatch(of: taking) else { return false }
            // A new column may be NOT NULL when old programs need not write it.
            return !(match.0.lowercased().contains("add") && code.lowercased().contains("default"))
        }.map { $0.trimmingCharacters(in: .whitespaces) }
    }
}

@Suite("Migrations keep the release before running")
struct ExpandContractTests {
    @Test("no migration takes away what an older release reads, unless it says why that is safe")
    func expand() throws {
        let files =
            try Checkout.files(below: "Sources/Postgres/Migrations", endingWith: ".sql")
            + Checkout.files(below: "Sources/Stores/Migrations", endingWith: ".sql")
        #expect(files.count > 4)
        for file in files { #expect(MigrationRule.offenders(in: try Checkout.text(file)) == [], "\(file)") }
    }

    @Test("every migration that is a file is one that is run, once, and numbers do not repeat")
    func listed() throws {
        for (folder, list) in [
            ("Sources/Postgres/Migrations", "Sources/Postgres/Migrator.swift"),
            ("Sources/Stores/Migrations", "Sources/Stores/ProductMigrations.swift"),
        ] {
            let text = try Checkout.text(list)
            let names = try Checkout.files(below: folder, endingWith: ".sql").map {
                String($0.split(separator: "/").last ?? "")
            }
            for name in names {
                #expect(text.contains("(\"\(name)\", PackageResources.\(name.replacing(".", with: "_")))"), "\(name)")
            }
            #expect(Set(names.map { $0.prefix(4) }).count == names.count, "two files of one number")
        }
    }

    @Test("what takes away is noticed")
    func offendersAreNoticed() {
        #expect(MigrationRule.offenders(in: "ALTER TABLE job DROP COLUMN progress;").count == 1)
        #expect(MigrationRule.offenders(in: "ALTER TABLE job RENAME COLUMN a TO b;").count == 1)
        #expect(MigrationRule.offenders(in: "ALTER TABLE job ADD COLUMN a int NOT NULL;").count == 1)
        #expect(MigrationRule.offenders(in: "ALTER TABLE job ADD COLUMN a int NOT NULL DEFAULT 0;") == [])
        #expect(MigrationRule.offenders(in: "DROP VIEW x; -- contract: nobody read it") == [])
        #expect(MigrationRule.offenders(in: "-- DROP TABLE x\nCREATE TABLE y (a int NOT NULL);") == [])
    }
}
