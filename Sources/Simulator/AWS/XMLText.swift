/// The little XML that the EC2 and STS protocols need here: writing answers, reading the text of elements.
enum XMLText {
    static func escape(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
    }

    static func element(_ name: String, _ text: String?) -> String {
        text.map { "<\(name)>\(escape($0))</\(name)>" } ?? ""
    }

    /// The contents of every element of that name, in order, markup included; for elements that do not nest in
    /// themselves.
    static func contents(of name: String, in bytes: [UInt8]) -> [String] {
        let open = Array("<\(name)>".utf8)
        let close = Array("</\(name)>".utf8)
        var result: [String] = []
        var position = 0
        while let start = find(open, in: bytes, from: position), let end = find(close, in: bytes, from: start) {
            result.append(String(decoding: bytes[(start + open.count)..<end], as: UTF8.self))
            position = end + close.count
        }
        return result
    }

    private static func find(_ pattern: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
        guard bytes.count >= pattern.count else { return nil }
        var position = start
        while position <= bytes.count - pattern.count {
            if bytes[position] == pattern[0], bytes[position..<position + pattern.count].elementsEqual(pattern) {
                return position
            }
            position += 1
        }
        return nil
    }

    /// Items of `<set><item>…</item></set>` where items may nest: cuts at the outer level.
    static func items(_ text: String) -> [String] {
        var result: [String] = []
        var depth = 0
        var rest = Substring(text)
        var start = rest.startIndex
        while let position = rest.firstIndex(of: "<") {
            rest = rest[position...]
            if rest.hasPrefix("<item>") {
                if depth == 0 { start = rest.index(rest.startIndex, offsetBy: 6) }
                depth += 1
            } else if rest.hasPrefix("</item>") {
                depth -= 1
                if depth == 0 { result.append(String(text[start..<rest.startIndex])) }
            }
            rest = rest.dropFirst()
        }
        return result
    }
}

/// A refusal in the form of the service's protocol.
struct AWSError: Error, Sendable {
    var status: Int
    var code: String
    var message: String

    func reply(to call: AWSCall) -> ServerReply {
        let requestID = "00000000-0000-4000-8000-000000000000"
        if call.isJSON || call.service == "eks" {
            let prefix = call.service == "sqs" ? "com.amazonaws.sqs#" : ""
            var reply = ServerReply.json(
                ["__type": .string(prefix + code), "message": .string(message)], status: status)
            reply.contentType = "application/x-amz-json-1.0"
            reply.headers = [("x-amzn-RequestId", requestID)]
            return reply
        }
        let error = XMLText.element("Code", code) + XMLText.element("Message", message)
        let text: String
        if call.service == "ec2" {
            text = "<Response><Errors><Error>\(error)</Error></Errors><RequestID>\(requestID)</RequestID></Response>"
        } else {
            let side = status < 500 ? "Sender" : "Receiver"
            text =
                "<ErrorResponse xmlns=\"https://\(call.service).amazonaws.com/doc/2011-06-15/\"><Error><Type>\(side)</Type>"
                + "\(error)</Error><RequestId>\(requestID)</RequestId></ErrorResponse>"
        }
        return .text(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + text, status: status, contentType: "text/xml;charset=UTF-8"
        )
    }
}
