/// Which traces are recorded; the names are those of `OTEL_TRACES_SAMPLER`.
public enum TraceSampler: Sendable, Equatable {
    /// All.
    case always
    /// None.
    case never
    /// This share of them, from 0 to 1, chosen by the trace's id: every process chooses the same.
    case ratio(Double)
    /// As whoever began the trace decided; where nobody did, as the other says.
    indirect case parentBased(root: TraceSampler)

    /// Reads a name and its argument. nil: the name is unknown, or the argument no number from 0 to 1.
    public init?(name: String, argument: String?) {
        var ratio = 1.0
        if let argument {
            guard let number = Double(argument), (0...1).contains(number) else { return nil }
            ratio = number
        }
        switch name {
        case "always_on": self = .always
        case "always_off": self = .never
        case "traceidratio": self = .ratio(ratio)
        case "parentbased_always_on": self = .parentBased(root: .always)
        case "parentbased_always_off": self = .parentBased(root: .never)
        case "parentbased_traceidratio": self = .parentBased(root: .ratio(ratio))
        default: return nil
        }
    }

    /// Every name that `init` takes.
    public static let names = [
        "always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off",
        "parentbased_traceidratio",
    ]

    /// Whether a span of this trace is recorded.
    /// - Parameter parent: the span above it; nil: it is the first.
    func samples(_ trace: TraceID, parent: TraceContext?) -> Bool {
        switch self {
        case .always: true
        case .never: false
        case .ratio(let share): share >= 1 || Double(trace.low >> 11) < share * 0x1p53
        case .parentBased(let root): parent?.isSampled ?? root.samples(trace, parent: nil)
        }
    }
}
