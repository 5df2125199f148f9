import Testing

@testable import Simulator

@Suite("Selectors")
struct SelectorTests {
    static let labels = ["app": "web", "tier": "front", "n": "5"]

    @Test(
        "label selectors of queries",
        arguments: [
            ("app=web", true), ("app==web,tier!=back", true), ("app!=web", false), ("app in (web, api)", true),
            ("app notin (web,api)", false), ("missing notin (a)", true), ("app", true), ("!app", false),
            ("!missing", true),
            ("n>4", true), ("n<5", false), ("", true),
        ])
    func labelQueries(query: String, matches: Bool) throws {
        #expect(try LabelSelector(query: query).matches(Self.labels) == matches)
    }

    @Test("malformed selectors and unknown fields are refused with 400")
    func malformed() throws {
        #expect(throws: APIStatus.self) { try LabelSelector(query: "app within (web)") }
        #expect(throws: APIStatus.self) { try FieldSelector(query: "spec.color=red", kind: .pods) }
        #expect(throws: APIStatus.self) { try FieldSelector(query: "spec.nodeName", kind: .pods) }
    }

    @Test("field selectors take =, == and !=, and absent fields are empty")
    func fields() throws {
        let pod: JSONValue = ["metadata": ["name": "p"], "spec": ["nodeName": "n1"], "status": ["phase": "Running"]]
        #expect(try FieldSelector(query: "spec.nodeName=n1,status.phase!=Failed", kind: .pods).matches(pod))
        #expect(try FieldSelector(query: "metadata.name==p", kind: .pods).matches(pod))
        #expect(try !FieldSelector(query: "spec.nodeName=", kind: .pods).matches(pod))
        #expect(try FieldSelector(query: "spec.unschedulable=false", kind: .nodes).matches(["spec": .object([:])]))
    }

    @Test("a selector of an object: none selects nothing, an empty one everything")
    func objectSelectors() {
        #expect(LabelSelector(.null) == nil)
        #expect(LabelSelector([:])?.matches([:]) == true)
        let selector = LabelSelector(["matchExpressions": [["key": "app", "operator": "In", "values": ["web"]]]])
        #expect(selector?.matches(Self.labels) == true)
        #expect(selector?.matches([:]) == false)
    }
}
