import HTTPClient

extension KubernetesClient {
    /// Lists all objects of a kind, page by page; only the narrow objects are kept. When the list grows too old to go on
    /// (410) it is begun again, once.
    /// - Parameters:
    ///   - namespace: nil for all namespaces (and for kinds without any).
    ///   - labelSelector: `app=web,tier!=db`; nil for all.
    ///   - fieldSelector: `spec.nodeName=a`; nil for all.
    /// - Throws: `KubernetesError`, among them `.tooLarge` beyond `ClientLimits`; `CancellationError`.
    public func list<Object: Decodable & Sendable>(
        _ type: Object.Type, _ kind: ResourceKind, namespace: String? = nil, labelSelector: String? = nil,
        fieldSelector: String? = nil, options: CallOptions = CallOptions()
    ) async throws -> ObjectList<Object> {
        var filters: [(String, String)] = []
        if let labelSelector { filters.append(("labelSelector", labelSelector)) }
        if let fieldSelector { filters.append(("fieldSelector", fieldSelector)) }
        let path = try kind.path(namespace: namespace)
        do {
            return try await allPages(type, kind, path, filters, options)
        } catch let error as KubernetesError where error.code == .gone {
            return try await allPages(type, kind, path, filters, options)
        }
    }

    /// Gets one object.
    /// - Throws: `KubernetesError`, `.notFound` when it does not exist; `CancellationError`.
    public func get<Object: Decodable & Sendable>(
        _ type: Object.Type, _ kind: ResourceKind, namespace: String? = nil, name: String, subresource: String? = nil,
        options: CallOptions = CallOptions()
    ) async throws -> Object {
        let path = try kind.path(namespace: namespace, name: name, subresource: subresource)
        let call = APICall.read(
            "get \(Subject.of(kind, namespace, name))", path, bytesMax: limits.answerBytesMax)
        return try decode(type, try await succeed(call, options), call)
    }

    /// The server's version.
    /// - Throws: `KubernetesError`; `CancellationError`.
    public func version(options: CallOptions = CallOptions()) async throws -> ServerVersion {
        let call = APICall.read("get version", "/version", bytesMax: limits.answerBytesMax)
        return try decode(ServerVersion.self, try await succeed(call, options), call)
    }

    /// What our credential may do in a namespace, cluster-wide rules included.
    /// - Throws: `KubernetesError`; `CancellationError`.
    public func permissions(
        namespace: String = "default", options: CallOptions = CallOptions()
    ) async throws -> PermissionRules {
        let review: JSONValue = [
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
            "spec": ["namespace": .string(namespace)],
        ]
        var call = APICall.change(
            "review our permissions", "POST", try ResourceKind.selfSubjectRulesReviews.path(),
            body: try JSONBody.encode(review), bytesMax: limits.answerBytesMax, isRepeatable: true)
        call.isRead = true
        return try decode(PermissionRules.Review.self, try await succeed(call, options), call).status
    }

    /// How often the page size is cut to a tenth because a page was too large.
    private static var pageCutsMax: Int { 2 }

    private func allPages<Object: Decodable & Sendable>(
        _ type: Object.Type, _ kind: ResourceKind, _ path: String, _ filters: [(String, String)], _ options: CallOptions
    ) async throws -> ObjectList<Object> {
        var list = ObjectList<Object>()
        var token: String?
        var bytes = 0
        var size = limits.pageSize
        var cuts = 0
        while true {
            var query = [("limit", String(size))] + filters
            if let token { query.append(("continue", token)) }
            let room = min(limits.pageBytesMax, limits.listBytesMax - bytes)
            let call = APICall.read("list \(kind.plural)", path, query: query, bytesMax: max(room, 1))
            let body: [UInt8]
            do {
                body = try await succeed(call, options)
            } catch let error as KubernetesError where error.code == .tooLarge {
                guard room == limits.pageBytesMax, cuts < Self.pageCutsMax, size > 1 else { throw error }
                cuts += 1
                size = max(1, size / 10)
                continue
            }
            bytes += body.count
            let page = try decode(ListPage<Object>.self, body, call)
            for item in page.items {
                switch item.outcome {
                case .success(let object): list.items.append(object)
                case .failure(var unreadable):
                    unreadable.name = redact(unreadable.name)
                    unreadable.reason = redact(unreadable.reason)
                    list.unreadable.append(unreadable)
                }
            }
            if let version = page.metadata.resourceVersion { list.resourceVersion = version }
            guard let next = page.metadata.continue, !next.isEmpty else { return list }
            // Each page must bring something or go on somewhere new, else a faulty server would keep us here for ever.
            guard !page.items.isEmpty, next != token else {
                throw KubernetesError(
                    .malformedAnswer, "list \(kind.plural): the server's continue token leads nowhere")
            }
            token = next
        }
    }
}

/// How errors call an object.
enum Subject {
    static func of(_ kind: ResourceKind, _ namespace: String?, _ name: String) -> String {
        KubernetesError.oneLine("\(kind.plural) \(namespace.map { "\($0)/" } ?? "")\(name)", limit: 300)
    }
}
