import Foundation
import Infrastructure

/// Reads message bodies: EventBridge events, the same wrapped by SNS, Auto Scaling's own notifications, and test
/// messages. Whatever a body holds, the answer is an event or a sentence that says what is wrong.
enum EventParser {
    /// What is wrong with a body.
    struct Unreadable: Error, Equatable, Sendable {
        let message: String
    }

    /// An EventBridge event is at most 256 KiB, an SQS body at most 1 MiB: larger ones are not read.
    static let bytesMax = 1 << 20
    /// AWS Health names at most 100 entities an event.
    static let instancesMax = 100

    /// - Throws: `Unreadable`.
    static func parse(_ message: QueueMessage) throws -> FleetEvent {
        guard message.body.utf8.count <= bytesMax else {
            throw Unreadable(message: "a body of \(message.body.utf8.count) bytes, wanted at most \(bytesMax)")
        }
        return try parse(message.body, message: message.id, isWrapped: false)
    }

    private static func parse(_ text: String, message: String, isWrapped: Bool) throws -> FleetEvent {
        let body: Body
        do {
            body = try JSONDecoder().decode(Body.self, from: Data(text.utf8))
        } catch let error as DecodingError {
            throw Unreadable(message: explain(error))
        } catch {
            throw Unreadable(message: "not JSON")
        }
        if let detailType = body.detailType, let source = body.source {
            return try bridge(body, detailType: detailType, source: source, message: message)
        }
        if let wrapped = body.message, body.type == "Notification", !isWrapped {
            return try parse(wrapped, message: body.messageID ?? message, isWrapped: true)
        }
        if body.lifecycleTransition != nil || body.event?.hasPrefix("autoscaling:") == true {
            return try autoScaling(body, message: message)
        }
        throw Unreadable(message: "no known form: wanted 'detail-type' and 'source', or an Auto Scaling notification")
    }

    private static func explain(_ error: DecodingError) -> String {
        switch error {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context):
            let path = context.codingPath.map(\.stringValue).joined(separator: ".")
            return path.isEmpty ? "not a JSON object" : "field '\(clean(path))' is of another type than wanted"
        case .dataCorrupted: return "not JSON, or nested too deep"
        @unknown default: return "not JSON"
        }
    }

    private static func bridge(
        _ body: Body, detailType: String, source: String, message: String
    ) throws -> FleetEvent {
        guard let at = body.time.flatMap(EventDate.parse) else {
            throw Unreadable(message: "field 'time' is '\(clean(body.time ?? ""))', wanted an ISO 8601 instant")
        }
        let detail = body.detail ?? Body.Detail()
        let kind: FleetEvent.Kind
        var instances = try detail.instanceID.map { [try instance($0, field: "detail.instance-id")] } ?? []
        switch (source, detailType) {
        case ("aws.ec2", "EC2 Spot Instance Interruption Warning"): kind = .spotWarning
        case ("aws.ec2", "EC2 Capacity Reservation Instance Interruption Warning"): kind = .capacityReservation
        case ("aws.ec2", "EC2 Instance Rebalance Recommendation"): kind = .rebalance
        case ("aws.ec2", "EC2 Instance State-change Notification"):
            kind = .stateChange(detail.state.flatMap(InstanceState.init(rawValue:)) ?? .unknown)
        case ("aws.autoscaling", "EC2 Instance-terminate Lifecycle Action"):
            let action = try lifecycle(
                group: detail.group, hook: detail.hook, token: detail.token, instance: detail.groupInstanceID)
            kind = .lifecycle(action)
            instances = [action.instance]
        case ("aws.health", "AWS Health Event"):
            guard detail.service == "EC2", detail.eventTypeCategory == "scheduledChange" else {
                kind = .noted("health/\(clean(detail.service ?? ""))/\(clean(detail.eventTypeCategory ?? ""))")
                instances = []
                break
            }
            let start = try detail.startTime.map { text in
                guard let date = EventDate.parse(text) else {
                    throw Unreadable(message: "field 'detail.startTime' is '\(clean(text))', wanted a date")
                }
                return date
            }
            kind = .maintenance(start: start)
            // Other entities than instances (volumes, hosts) are none of ours.
            instances = (detail.affectedEntities ?? []).compactMap(\.entityValue).map(InstanceID.init(rawValue:))
                .filter(\.isWellFormed)
            if instances.count > instancesMax {
                throw Unreadable(message: "\(instances.count) affected instances, wanted at most \(instancesMax)")
            }
        default: kind = .noted("\(clean(source))/\(clean(detailType))")
        }
        let event = FleetEvent(
            id: try word(body.id ?? message, field: "id"), account: clean(body.account ?? ""),
            region: clean(body.region ?? ""), at: at, kind: kind, instances: instances)
        if case .noted = kind { return event }
        if instances.isEmpty, event.interruption != .maintenance {
            throw Unreadable(message: "field 'detail.instance-id' is missing")
        }
        return event
    }

    /// Auto Scaling's own form, without an envelope: a lifecycle action, or the test message of a new hook.
    private static func autoScaling(_ body: Body, message: String) throws -> FleetEvent {
        let at = body.asgTime.flatMap(EventDate.parse)
        let id = try word(body.requestID ?? message, field: "RequestId")
        let account = clean(body.accountID ?? "")
        guard body.lifecycleTransition == "autoscaling:EC2_INSTANCE_TERMINATING" else {
            let name = body.event ?? body.lifecycleTransition ?? "autoscaling"
            return FleetEvent(
                id: id, account: account, region: "", at: at ?? Date(timeIntervalSince1970: 0),
                kind: .noted(clean(name)), instances: [])
        }
        guard let at else {
            throw Unreadable(message: "field 'Time' is '\(clean(body.asgTime ?? ""))', wanted an ISO 8601 instant")
        }
        let action = try lifecycle(
            group: body.group, hook: body.hook, token: body.token, instance: body.groupInstanceID)
        return FleetEvent(
            id: id, account: account, region: "", at: at, kind: .lifecycle(action), instances: [action.instance])
    }

    private static func lifecycle(
        group: String?, hook: String?, token: String?, instance: String?
    ) throws -> LifecycleAction {
        guard let group, let hook, let instance else {
            throw Unreadable(message: "a lifecycle action without its group, hook or instance")
        }
        return LifecycleAction(
            group: clean(group), hook: clean(hook), token: token.map(clean),
            instance: try self.instance(instance, field: "EC2InstanceId"))
    }

    private static func instance(_ text: String, field: String) throws -> InstanceID {
        let id = InstanceID(rawValue: text)
        guard id.isWellFormed else {
            throw Unreadable(
                message: "field '\(field)' is '\(clean(text))', wanted an instance id such as i-0123456789abcdef0")
        }
        return id
    }

    /// An id that keys may be made of.
    private static func word(_ text: String, field: String) throws -> String {
        guard !text.isEmpty, text.utf8.count <= 128, text.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
            throw Unreadable(message: "field '\(field)' is '\(clean(text))', wanted 1 to 128 printable characters")
        }
        return text
    }

    /// Text of others, made harmless for keys, tables and logs.
    private static func clean(_ text: String) -> String {
        String(text.prefix(128).map { $0.unicodeScalars.contains { $0.value < 32 || $0.value == 127 } ? "?" : $0 })
    }
}
