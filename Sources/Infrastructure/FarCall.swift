/// What far calls of the current task have in common.
public enum FarCall {
    /// Whether they are made for lane 0: a client then does not let them wait for its own rate.
    @TaskLocal public static var isUrgent = false
}
