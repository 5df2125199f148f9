/// Visits the states of a model: all of them, or some along random walks.
struct Explorer {
    let model: ProtocolModel

    struct Report {
        var states = 0
        var steps = 0
        /// What was broken, and the steps that lead there.
        var broken: (what: String, trace: [String])?
        /// The steps to a state from which the jobs can never all end.
        var stuck: [String]?
    }

    /// Breadth first: the trace to a fault is a shortest one.
    /// - Parameter checksProgress: also looks for states from which no path leads to the end of all jobs (I5, I12).
    func exhaust(statesMax: Int, checksProgress: Bool) -> Report {
        var report = Report()
        var ids: [ModelState.Packed: Int32] = [:]
        var queue: [ModelState] = [model.start]
        var parents: [(from: Int32, name: String)] = [(-1, "start")]
        var edges: [[Int32]] = [[]]
        ids[model.start.packed] = 0
        var position = 0
        func trace(_ end: Int32) -> [String] {
            var names: [String] = []
            var at = end
            while at > 0 {
                names.append(parents[Int(at)].name)
                at = parents[Int(at)].from
            }
            return names.reversed()
        }
        while position < queue.count {
            let from = Int32(position)
            for step in model.steps(from: queue[position]) {
                report.steps += 1
                if let what = step.broken {
                    report.broken = (what, trace(from) + [step.name])
                    report.states = queue.count
                    return report
                }
                let key = step.state.packed
                let id: Int32
                if let known = ids[key] {
                    id = known
                } else {
                    id = Int32(queue.count)
                    ids[key] = id
                    queue.append(step.state)
                    parents.append((from, step.name))
                    edges.append([])
                }
                // Edges are kept backwards: progress is what can be reached from the ends.
                if checksProgress { edges[Int(id)].append(from) }
            }
            position += 1
            precondition(queue.count <= statesMax, "more states than \(statesMax): make the configuration smaller")
        }
        report.states = queue.count
        if checksProgress {
            var reaches = [Bool](repeating: false, count: queue.count)
            var work = queue.indices.filter { queue[$0].isSettled(jobCount: model.jobCount) }
            for index in work { reaches[index] = true }
            while let index = work.popLast() {
                for before in edges[index] where !reaches[Int(before)] {
                    reaches[Int(before)] = true
                    work.append(Int(before))
                }
            }
            if let stuck = reaches.firstIndex(of: false) { report.stuck = trace(Int32(stuck)) }
        }
        return report
    }

    /// Random walks from the start, for configurations too large to exhaust.
    func walk(count: Int, length: Int, using generator: inout SplitMix64) -> Report {
        var report = Report()
        for _ in 0..<count {
            var state = model.start
            var trace: [String] = []
            for _ in 0..<length {
                guard let step = model.steps(from: state).randomElement(using: &generator) else { break }
                report.steps += 1
                trace.append(step.name)
                if let what = step.broken {
                    report.broken = (what, trace)
                    return report
                }
                state = step.state
            }
        }
        return report
    }
}
