import Foundation
import Synchronization
import Testing

@testable import Demo

@Suite("What the demo tells")
struct TellingTests {
    @Test("No line is wider than 110 columns, and no word is lost")
    func width() {
        let lines = Mutex<[String]>([])
        let narrator = Narrator(usesColour: false, start: .now) { line in lines.withLock { $0.append(line) } }
        let words = (0..<80).map { "word\($0)" } + [String(repeating: "x", count: 300)]
        narrator.say(.drain, words.joined(separator: " "))
        narrator.plain(words.joined(separator: " "), indent: 8)
        let said = lines.withLock { $0 }
        #expect(said.allSatisfy { $0.count <= Narrator.width })
        for word in words.dropLast() {
            #expect(said.filter { $0.split(separator: " ").contains(Substring(word)) }.count == 2)
        }
    }

    @Test("The hash of a Deployment's template is left out of a pod's name, other names stay")
    func brief() {
        #expect(Watcher.brief("shop/cart-htvkctc9rh-x7k2p") == "shop/cart-x7k2p")
        #expect(Watcher.brief("shop/web-3") == "shop/web-3")
        #expect(Watcher.brief("search/node-exporter-x7k2p") == "search/node-exporter-x7k2p")
    }

    @Test("A cordon, evictions, a wait for a budget and an empty node are each told once")
    func story() {
        var watcher = Watcher()
        let pods = ["a", "b"].map {
            SeenPod(uid: $0, name: "shop/\($0)", owner: "set", node: "n1.internal", isReady: true)
        }
        watcher.begin(pods: pods)
        var state = Evidence.good.state
        state.nodes = [state.nodes[0]]
        state.nodes[0].node = "n1.internal"
        state.nodes[0].podsAtInterruption = 2
        state.nodes[0].drainedAt = nil
        state.nodes[0].removals = [.init(pod: "shop/a", at: .after(1), verb: "evict")]
        state.time = .after(2)
        let refusal = LoggedCall(
            sequence: 1, endpoint: "kubernetes", method: "POST",
            path: "/clusters/demo/api/v1/namespaces/shop/pods/b/eviction", outcome: "refused", status: 429,
            executed: false)
        let first = watcher.lines(state: state, calls: [refusal], pods: pods)
        #expect(
            first == [
                .init(.cordon, "n1 cordoned 0.8 s after its warning: no new pods come in"),
                .init(.drain, "n1: 1 of 2 pods asked to leave: shop/a"),
                .init(.budget, "n1: shop/b waits, its budget allows no more disruption now"),
            ])
        #expect(watcher.lines(state: state, calls: [refusal], pods: pods) == [])

        state.nodes[0].removals.append(.init(pod: "shop/b", at: .after(5), verb: "evict"))
        state.nodes[0].drainedAt = .after(9)
        state.time = .after(10)
        let second = watcher.lines(state: state, calls: [], pods: pods)
        #expect(
            second == [
                .init(.budget, "n1: shop/b (waited 3.0 s) may go now; no budget is broken by it"),
                .init(
                    .drain,
                    "n1 is empty 9.0 s after its warning, 111 s before its instance goes: 2 pods left politely, "
                        + "every budget kept"),
            ])
    }

    @Test("A successor is told of with the node its predecessor left")
    func successor() {
        var watcher = Watcher()
        let old = SeenPod(uid: "1", name: "shop/a", owner: "set", node: "n1.internal", isReady: true)
        watcher.begin(pods: [old])
        var state = Evidence.good.state
        state.nodes = [state.nodes[0]]
        state.nodes[0].node = "n1.internal"
        state.nodes[0].removals = [.init(pod: "shop/a", at: .after(1), verb: "evict")]
        let new = SeenPod(uid: "2", name: "shop/z", owner: "set", node: "n2.internal", isReady: true)
        state.time = .after(4)
        #expect(!watcher.lines(state: state, calls: [], pods: [old, new]).contains { $0.topic == .moved })
        state.time = .after(7)
        #expect(
            watcher.lines(state: state, calls: [], pods: [new]) == [
                .init(.moved, "from n1: shop/z on n2 runs again")
            ])
    }

    @Test("The world's notes are read with and without fractions of a second")
    func decoding() throws {
        let text = """
            {"entries":[{"sequence":7,"endpoint":"kubernetes","method":"POST","outcome":"ok","status":201,"executed":true,
            "path":"/clusters/demo/api/v1/namespaces/shop/pods/cart-1/eviction"}],"lastSequence":7}
            """
        let page = try JSONDecoder.ofTheWorld.decode(LoggedCall.Page.self, from: Data(text.utf8))
        #expect(page.entries.first?.evictedPod == "shop/cart-1")
        for time in ["2026-11-23T12:00:27.949Z", "2026-11-23T12:00:27Z"] {
            let notice = "{\"node\":\"n\",\"instanceID\":\"i\",\"eventID\":\"e\",\"deadline\":\"\(time)\"}"
            let read = try JSONDecoder.ofTheWorld.decode(SentNotice.self, from: Data(notice.utf8))
            #expect(abs(read.deadline.timeIntervalSince1970 - 1_795_435_227) < 1)
        }
    }

    @Test("EC2's XML is read as a tree")
    func xml() throws {
        let text = "<r><set><item><id>a</id></item><item><id>b</id><set><item/></set></item></set></r>"
        let items = try XMLElementTree(Array(text.utf8)).all("set").flatMap { $0.children("item") }
        #expect(items.map { $0.text("id") } == ["a", "b"])
        #expect(throws: DemoError.self) { try XMLElementTree(Array("<r><".utf8)) }
    }
}
