/// Who waited long rises: a job of lane 2 or 3 is handed out one lane higher after its queue's age limit, one of lane 3
/// two lanes higher after twice that. Nobody rises into lane 0. Its row keeps its lane: only its place in line changes.
public enum Ageing {
    /// The looks for those that rise, within lanes that are taken from: a list, and how many lanes its jobs rise.
    public static func looks(_ queues: [String], _ lanes: [Lane]) -> [(list: ReadyList, lanes: Int)] {
        let rises: [(Lane, Int)] = [(.data, 2), (.work, 1), (.data, 1)]
        return rises.filter { lanes.contains($0.0) }.flatMap { lane, rise in
            queues.map { (ReadyList(queue: $0, lane: lane), rise) }
        }
    }

    /// A quarter of the room is for those that rise; of room for less than four, a quarter of the time.
    public static func share(of room: Int, random: Int = .random(in: 0..<4)) -> Int { (room + random) / 4 }
}

extension ReadyList {
    /// The list that its jobs rise to.
    public func risen(by lanes: Int) -> ReadyList {
        ReadyList(queue: queue, lane: Lane(rawValue: max(1, lane.rawValue - Int16(lanes))) ?? lane)
    }
}
