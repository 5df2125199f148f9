/// An answer of kind Status, as the API server writes it; thrown by whatever refuses a request.
struct APIStatus: Error, Sendable {
    var code: Int
    var reason: String
    var message: String
    var details: JSONValue = .null

    var json: JSONValue {
        [
            "kind": "Status", "apiVersion": "v1", "metadata": .object([:]),
            "status": code < 300 ? "Success" : "Failure",
            "message": message.isEmpty ? .null : .string(message), "reason": reason.isEmpty ? .null : .string(reason),
            "details": details, "code": .integer(code),
        ]
    }

    static func success(_ code: Int) -> APIStatus { APIStatus(code: code, reason: "", message: "") }

    static func notFound(_ kind: ResourceKind, _ name: String) -> APIStatus {
        APIStatus(
            code: 404, reason: "NotFound", message: "\(kind.qualifiedPlural) \"\(name)\" not found",
            details: details(kind, name))
    }

    /// An unknown path.
    static let noSuchPath = APIStatus(
        code: 404, reason: "NotFound", message: "the server could not find the requested resource", details: [:])

    static func alreadyExists(_ kind: ResourceKind, _ name: String) -> APIStatus {
        APIStatus(
            code: 409, reason: "AlreadyExists", message: "\(kind.qualifiedPlural) \"\(name)\" already exists",
            details: details(kind, name))
    }

    static func conflict(_ kind: ResourceKind, _ name: String, _ why: String) -> APIStatus {
        APIStatus(
            code: 409, reason: "Conflict",
            message: "Operation cannot be fulfilled on \(kind.qualifiedPlural) \"\(name)\": \(why)",
            details: details(kind, name))
    }

    static let staleObject =
        "the object has been modified; please apply your changes to the latest version and try again"

    static func badRequest(_ message: String) -> APIStatus {
        APIStatus(code: 400, reason: "BadRequest", message: message)
    }

    static func invalid(_ kind: ResourceKind, _ name: String, field: String, _ why: String) -> APIStatus {
        var details = details(kind, name, nameOfKind: kind.kind)
        details["causes"] = [["reason": "FieldValueInvalid", "message": .string(why), "field": .string(field)]]
        return APIStatus(
            code: 422, reason: "Invalid", message: "\(kind.kind) \"\(name)\" is invalid: \(field): \(why)",
            details: details)
    }

    static let unauthorized = APIStatus(code: 401, reason: "Unauthorized", message: "Unauthorized")

    static func methodNotAllowed() -> APIStatus {
        APIStatus(
            code: 405, reason: "MethodNotAllowed",
            message: "the server does not allow this method on the requested resource", details: [:])
    }

    static func unsupportedMediaType(_ type: String) -> APIStatus {
        APIStatus(
            code: 415, reason: "UnsupportedMediaType",
            message: "the body of the request was in an unknown format - accepted media types include: "
                + "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json; "
                + "found \(type)", details: [:])
    }

    /// A watch or a continue token that starts before what is remembered.
    static func gone(_ message: String) -> APIStatus { APIStatus(code: 410, reason: "Expired", message: message) }

    static func tooManyRequests(_ message: String, retryAfterSeconds: Int = 0, causes: JSONValue = .null) -> APIStatus {
        var details: JSONValue = ["causes": causes]
        if retryAfterSeconds > 0 { details["retryAfterSeconds"] = .integer(retryAfterSeconds) }
        return APIStatus(code: 429, reason: "TooManyRequests", message: message, details: details)
    }

    private static func details(_ kind: ResourceKind, _ name: String, nameOfKind: String? = nil) -> JSONValue {
        [
            "name": .string(name), "group": kind.group.isEmpty ? .null : .string(kind.group),
            "kind": .string(nameOfKind ?? kind.plural),
        ]
    }
}
