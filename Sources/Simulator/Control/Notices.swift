import Foundation

/// The messages that AWS puts into a customer's queue.
struct Notice: Sendable {
    enum Kind: String, Sendable, CaseIterable {
        case spot, rebalance, stateChange = "state-change", health, lifecycle = "asg-lifecycle"
    }

    enum Envelope: String, Sendable, CaseIterable {
        /// EventBridge straight to SQS.
        case eventBridge = "eventbridge"
        /// EventBridge by way of an SNS topic.
        case sns
        /// Auto Scaling straight to SQS, without an envelope; lifecycle notices only.
        case direct
    }

    var kind: Kind
    var envelope: Envelope
    var target: World.Target
    var eventID: String
    /// World time; the wire has whole seconds.
    var time: Date
    /// Of a state change.
    var state: String

    /// Two minutes after the event's time, as far as the kind ends anything.
    var deadline: Date? {
        kind == .spot ? Date(timeIntervalSince1970: time.timeIntervalSince1970.rounded(.down) + 120) : nil
    }

    var body: String {
        switch envelope {
        case .eventBridge: return event.text
        case .direct: return lifecycleDetail.text
        case .sns:
            let message: JSONValue = [
                "Type": "Notification", "MessageId": .string(eventID), "Message": .string(event.text),
                "TopicArn": .string("arn:aws:sns:\(target.region):\(target.account):interruptions"),
                "Timestamp": .string(Timestamp.milliseconds(time)), "SignatureVersion": "1",
            ]
            return message.text
        }
    }

    private var event: JSONValue {
        var event: JSONValue = [
            "version": "0", "id": .string(eventID), "detail-type": .string(detailType), "source": .string(source),
            "account": .string(target.account), "time": .string(Timestamp.seconds(time)),
            "region": .string(target.region),
            "resources": [.string(resource)], "detail": detail,
        ]
        if kind == .health { event["resources"] = [.string(target.instanceID)] }
        return event
    }

    private var source: String {
        switch kind {
        case .spot, .rebalance, .stateChange: "aws.ec2"
        case .health: "aws.health"
        case .lifecycle: "aws.autoscaling"
        }
    }

    private var detailType: String {
        switch kind {
        case .spot: "EC2 Spot Instance Interruption Warning"
        case .rebalance: "EC2 Instance Rebalance Recommendation"
        case .stateChange: "EC2 Instance State-change Notification"
        case .health: "AWS Health Event"
        case .lifecycle: "EC2 Instance-terminate Lifecycle Action"
        }
    }

    private var resource: String {
        switch kind {
        // As AWS documents these two: the zone where the region belongs, and no account.
        case .spot, .rebalance: "arn:aws:ec2:\(target.zone):instance/\(target.instanceID)"
        default: "arn:aws:ec2:\(target.region):\(target.account):instance/\(target.instanceID)"
        }
    }

    private var detail: JSONValue {
        let id = JSONValue.string(target.instanceID)
        switch kind {
        case .spot: return ["instance-id": id, "instance-action": "terminate"]
        case .rebalance: return ["instance-id": id]
        case .stateChange: return ["instance-id": id, "state": .string(state)]
        case .lifecycle: return lifecycleDetail
        case .health:
            let start = time.addingTimeInterval(3600)
            return [
                "eventArn": .string("arn:aws:health:\(target.region)::event/EC2/\(eventID)"), "service": "EC2",
                "eventTypeCode": "AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED", "eventTypeCategory": "scheduledChange",
                "startTime": .string(Self.rfc1123(start)),
                "eventDescription": [
                    ["language": "en_US", "latestDescription": "The instance is scheduled for retirement."]
                ],
                "affectedEntities": [["entityValue": id]],
            ]
        }
    }

    private var lifecycleDetail: JSONValue {
        [
            "LifecycleActionToken": .string(eventID), "AutoScalingGroupName": .string("cloudoptim-\(target.cluster)"),
            "LifecycleHookName": "drain", "EC2InstanceId": .string(target.instanceID),
            "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
            "Time": .string(Timestamp.milliseconds(time)),
        ]
    }

    private static func rfc1123(_ date: Date) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(secondsFromGMT: 0)
        formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        return formatter.string(from: date)
    }
}
