import JobQueue

/// What a person does on the screen: keys in, requests out. Pure.
struct TopModel {
    /// What is to be done for the person.
    enum Request: Equatable {
        case quit
        case togglePause(JobScope)
        case cancel(JobID)
        case retry(JobID)
    }

    var snapshot: FleetSnapshot
    var selected: TopItem?
    var message = ""
    private var asked: Request?

    init(_ snapshot: FleetSnapshot) { self.snapshot = snapshot }

    var screen: TopScreen { TopScreen(snapshot: snapshot, selected: selected, message: message) }

    /// Takes a newer snapshot; what was chosen stays chosen while it is there.
    mutating func update(_ new: FleetSnapshot) {
        snapshot = new
        if let selected, !screen.items.contains(selected) { self.selected = nil }
    }

    /// Takes a key. Whatever changes something is asked back first.
    mutating func press(_ key: TopKey) -> Request? {
        if let request = asked {
            asked = nil
            message = key == .character("y") ? "" : "not done"
            return key == .character("y") ? request : nil
        }
        message = ""
        switch key {
        case .character("q"), .interrupt: return .quit
        case .character("j"), .down: move(by: 1)
        case .character("k"), .up: move(by: -1)
        case .character("p"): ask(pauseRequest)
        case .character("c"): ask(cancelRequest)
        case .character("r"): ask(retryRequest)
        case .character, .other: break
        }
        return nil
    }

    private mutating func move(by step: Int) {
        let items = screen.items
        guard !items.isEmpty else { return }
        let index = selected.flatMap { items.firstIndex(of: $0) } ?? (step > 0 ? -1 : items.count)
        selected = items[min(max(index + step, 0), items.count - 1)]
    }

    private mutating func ask(_ request: (Request, String)?) {
        guard let (request, sentence) = request else {
            message = "choose with j and k what this is to be done to"
            return
        }
        asked = request
        message = "\(sentence)? y: yes, any other key: no"
    }

    private var pauseRequest: (Request, String)? {
        guard let selected else { return nil }
        let scope: JobScope
        switch selected {
        case .queue(let name, _): scope = .queue(name)
        case .running(_, let kind), .failure(_, let kind, _): scope = .kind(JobKind(rawValue: kind))
        }
        let verb = isPaused(scope) ? "resume" : "pause"
        return (.togglePause(scope), "\(verb) \(ScopeArguments.text(scope))")
    }

    /// Whether the snapshot knows of a pause of exactly this.
    func isPaused(_ scope: JobScope) -> Bool {
        snapshot.pauses.contains { $0.scope == scope.word && $0.name == scope.name }
    }

    private var cancelRequest: (Request, String)? {
        guard case .running(let id, let kind)? = selected, let job = JobID(id) else { return nil }
        return (.cancel(job), "cancel \(kind) \(id)")
    }

    private var retryRequest: (Request, String)? {
        guard case .failure(let id, let kind, isDead: true)? = selected, let job = JobID(id) else { return nil }
        return (.retry(job), "run \(kind) \(id) again")
    }
}

/// A key as the terminal sends it.
enum TopKey: Equatable {
    case character(Character)
    case up, down, interrupt, other

    /// Reads the keys in what was typed.
    static func keys(in bytes: [UInt8]) -> [TopKey] {
        var keys: [TopKey] = []
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            switch byte {
            case 3, 4: keys.append(.interrupt)
            case 27:
                // An arrow is ESC [ A or ESC O A; any other sequence is skipped to its last letter.
                guard rest.first == UInt8(ascii: "[") || rest.first == UInt8(ascii: "O") else {
                    keys.append(.other)
                    continue
                }
                rest.removeFirst()
                var last: UInt8?
                while let next = rest.popFirst() {
                    last = next
                    if (64...126).contains(next) { break }
                }
                keys.append(last == UInt8(ascii: "A") ? .up : last == UInt8(ascii: "B") ? .down : .other)
            case 32..<127: keys.append(.character(Character(UnicodeScalar(byte))))
            default: keys.append(.other)
            }
        }
        return keys
    }
}
