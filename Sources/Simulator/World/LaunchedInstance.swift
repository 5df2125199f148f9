/// An EC2 instance that becomes, or is, a node.
struct LaunchedInstance: Sendable {
    var id: String
    var type: String
    var zone: String
    var isSpot: Bool
    var tags: [String: String]
    /// ClientToken of the call that launched it; nil for the first nodes of the world.
    var clientToken: String?
}
