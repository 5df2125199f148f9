extension EventParser {
    /// Every field that any of the forms has; none is required here, so that what is missing can be named well.
    struct Body: Decodable {
        struct Entity: Decodable {
            var entityValue: String?
        }

        struct Detail: Decodable {
            var instanceID: String?
            var state: String?
            var group: String?
            var hook: String?
            var token: String?
            var groupInstanceID: String?
            var service: String?
            var eventTypeCategory: String?
            var startTime: String?
            var affectedEntities: [Entity]?

            init() {}

            enum CodingKeys: String, CodingKey {
                case state, service, eventTypeCategory, startTime, affectedEntities
                case instanceID = "instance-id"
                case group = "AutoScalingGroupName"
                case hook = "LifecycleHookName"
                case token = "LifecycleActionToken"
                case groupInstanceID = "EC2InstanceId"
            }
        }

        var id: String?
        var detailType: String?
        var source: String?
        var account: String?
        var region: String?
        var time: String?
        var detail: Detail?
        // SNS
        var type: String?
        var message: String?
        var messageID: String?
        // Auto Scaling
        var event: String?
        var lifecycleTransition: String?
        var accountID: String?
        var requestID: String?
        var asgTime: String?
        var group: String?
        var hook: String?
        var token: String?
        var groupInstanceID: String?

        enum CodingKeys: String, CodingKey {
            case id, source, account, region, time, detail
            case detailType = "detail-type"
            case type = "Type"
            case message = "Message"
            case messageID = "MessageId"
            case event = "Event"
            case lifecycleTransition = "LifecycleTransition"
            case accountID = "AccountId"
            case requestID = "RequestId"
            case asgTime = "Time"
            case group = "AutoScalingGroupName"
            case hook = "LifecycleHookName"
            case token = "LifecycleActionToken"
            case groupInstanceID = "EC2InstanceId"
        }
    }
}
