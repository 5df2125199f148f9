import Testing

@testable import Simulator

@Suite("Patches")
struct PatchTests {
    static let node: JSONValue = [
        "metadata": ["labels": ["a": "1", "b": "2"], "finalizers": ["x"]],
        "spec": ["taints": [["key": "old", "effect": "NoSchedule"]]],
    ]
    static let deployment: JSONValue = [
        "spec": [
            "containers": [
                ["name": "main", "image": "main:1", "env": [["name": "A", "value": "1"]]],
                ["name": "side", "image": "side:1"],
            ],
            "tolerations": [["key": "t", "operator": "Exists"]],
        ]
    ]

    private func json(_ text: String) throws -> JSONValue { try JSONValue(parsing: text) }

    @Test("a merge patch merges objects, replaces lists and removes by null")
    func merge() throws {
        let patch = try json(#"{"metadata":{"labels":{"a":null,"c":"3"}},"spec":{"unschedulable":true,"taints":[]}}"#)
        let patched = Patch.merge(Self.node, patch)
        #expect(patched["metadata"]["labels"].strings == ["b": "2", "c": "3"])
        #expect(patched["spec"]["unschedulable"] == true)
        #expect(patched["spec"]["taints"] == .array([]))
        #expect(patched["metadata"]["finalizers"] == ["x"])
    }

    @Test("a strategic merge patch merges containers by name and replaces tolerations and taints as a whole")
    func strategic() throws {
        let patch = try json(
            #"{"spec":{"containers":[{"name":"main","image":"main:2","env":[{"name":"B","value":"2"}]}],"tolerations":[{"key":"u"}]}}"#
        )
        let patched = StrategicMerge.apply(Self.deployment, patch)
        let containers = patched["spec"]["containers"].array
        #expect(containers.map { $0["image"].string } == ["main:2", "side:1"])
        #expect(containers.first?["env"].array.map { $0["name"].string } == ["A", "B"])
        #expect(patched["spec"]["tolerations"] == [["key": "u"]])
        let taints = StrategicMerge.apply(
            Self.node, try json(#"{"spec":{"taints":[{"key":"new","effect":"NoExecute"}]}}"#))
        #expect(taints["spec"]["taints"].array.map { $0["key"].string } == ["new"])
    }

    @Test("strategic directives delete elements, replace maps and edit primitive lists")
    func directives() throws {
        let removed = StrategicMerge.apply(
            Self.deployment, try json(#"{"spec":{"containers":[{"name":"side","$patch":"delete"}]}}"#))
        #expect(removed["spec"]["containers"].array.map { $0["name"].string } == ["main"])
        let replaced = StrategicMerge.apply(
            Self.node, try json(#"{"metadata":{"labels":{"$patch":"replace","z":"9"}}}"#))
        #expect(replaced["metadata"]["labels"].strings == ["z": "9"])
        let added = StrategicMerge.apply(Self.node, try json(#"{"metadata":{"finalizers":["y"]}}"#))
        #expect(added["metadata"]["finalizers"] == ["x", "y"])
        let cut = StrategicMerge.apply(added, try json(#"{"metadata":{"$deleteFromPrimitiveList/finalizers":["x"]}}"#))
        #expect(cut["metadata"]["finalizers"] == ["y"])
    }

    @Test(
        "a JSON patch carries out every operation",
        arguments: [
            (#"[{"op":"add","path":"/spec/taints/-","value":{"key":"n"}}]"#, ["old", "n"]),
            (#"[{"op":"add","path":"/spec/taints/0","value":{"key":"n"}}]"#, ["n", "old"]),
            (#"[{"op":"replace","path":"/spec/taints/0/key","value":"n"}]"#, ["n"]),
            (#"[{"op":"test","path":"/spec/taints/0/key","value":"old"},{"op":"remove","path":"/spec/taints/0"}]"#, []),
            (#"[{"op":"copy","from":"/metadata/labels/a","path":"/spec/taints/0/key"}]"#, ["1"]),
            (#"[{"op":"move","from":"/metadata/labels/b","path":"/spec/taints/0/key"}]"#, ["2"]),
        ])
    func jsonPatch(operations: String, keys: [String]) throws {
        let patched = try Patch.apply(operations: json(operations), to: Self.node)
        #expect(patched["spec"]["taints"].array.compactMap { $0["key"].string } == keys)
    }

    @Test(
        "a JSON patch that does not fit is refused",
        arguments: [
            #"[{"op":"test","path":"/metadata/labels/a","value":"2"}]"#,
            #"[{"op":"remove","path":"/metadata/nothing"}]"#,
            #"[{"op":"replace","path":"/spec/taints/7","value":1}]"#, #"[{"op":"fly","path":"/spec"}]"#, #"{}"#,
        ])
    func refusedPatch(operations: String) throws {
        let patch = try json(operations)
        #expect(throws: APIStatus.self) { try Patch.apply(operations: patch, to: Self.node) }
    }

    @Test(
        "JSON survives a round trip and refuses what is not JSON",
        arguments: [#"{"a":[1,-2.5,"q\"\\\n\u00e9",true,null]}"#])
    func roundTrip(text: String) throws {
        let value = try json(text)
        #expect(try JSONValue(parsing: value.bytes) == value)
        for bad in ["", "{", "[1,]", "tru", "{\"a\":1}x", "\"\u{01}\"", String(repeating: "[", count: 100_000)] {
            #expect(throws: JSONError.self) { try json(bad) }
        }
    }
}
