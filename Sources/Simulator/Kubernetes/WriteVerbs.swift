/// create, update, patch, delete and scale.
extension ClusterState {
    func create(_ request: KubernetesRequest, _ target: Target) throws -> KubernetesReply {
        guard target.name == nil, !target.kind.isComputed else { throw APIStatus.methodNotAllowed() }
        var value = try request.json()
        if let kind = value["kind"].string, kind != target.kind.kind {
            throw APIStatus.badRequest(
                "\(kind) in version \"\(value["apiVersion"].string ?? "")\" cannot be handled as a \(target.kind.kind)")
        }
        if let namespace = target.namespace {
            if let named = value["metadata"]["namespace"].string, named != namespace {
                throw APIStatus.badRequest(
                    "the namespace of the provided object does not match the namespace sent on the request")
            }
            value["metadata"]["namespace"] = .string(namespace)
        } else if target.kind.isNamespaced {
            throw APIStatus.methodNotAllowed()
        }
        if value["metadata"]["name"].isNull {
            guard let prefix = value["metadata"]["generateName"].string else {
                throw APIStatus.invalid(
                    target.kind, "", field: "metadata.name", "Required value: name or generateName is required")
            }
            value["metadata"]["name"] = .string(prefix + random.suffix(5))
        }
        let name = value["metadata"]["name"].string ?? ""
        guard object(target.kind, ObjectKey(namespace: target.key.namespace, name: name)) == nil else {
            throw APIStatus.alreadyExists(target.kind, name)
        }
        if target.kind.id == "pods" {
            value["status"] = .null
            Templates.fillDefaults(&value)
        }
        guard request.query["dryRun"] == nil else { return .json(value, status: 201) }
        return .body(status: 201, bytes: create(target.kind, value).bytes)
    }

    func replace(_ request: KubernetesRequest, _ target: Target) throws -> KubernetesReply {
        guard let stored = object(target.kind, target.key) else {
            throw APIStatus.notFound(target.kind, target.key.name)
        }
        return try store(try request.json(), over: stored, request, target)
    }

    func patch(_ request: KubernetesRequest, _ target: Target) throws -> KubernetesReply {
        guard let stored = object(target.kind, target.key) else {
            throw APIStatus.notFound(target.kind, target.key.name)
        }
        let changes = try request.json()
        let patched: JSONValue
        switch request.contentType.split(separator: ";").first.map(String.init) ?? "" {
        case "application/merge-patch+json": patched = Patch.merge(stored.value, changes)
        case "application/strategic-merge-patch+json": patched = StrategicMerge.apply(stored.value, changes)
        case "application/json-patch+json": patched = try Patch.apply(operations: changes, to: stored.value)
        default: throw APIStatus.unsupportedMediaType(request.contentType)
        }
        return try store(patched, over: stored, request, target)
    }

    /// The checks that updates and patches share; what a client cannot change keeps its value.
    private func store(
        _ wanted: JSONValue, over stored: StoredObject, _ request: KubernetesRequest, _ target: Target
    ) throws -> KubernetesReply {
        let name = target.key.name
        if let version = wanted["metadata"]["resourceVersion"].string, version != String(stored.version) {
            throw APIStatus.conflict(target.kind, name, APIStatus.staleObject)
        }
        if let uid = wanted["metadata"]["uid"].string, uid != stored.value["metadata"]["uid"].string {
            throw APIStatus.conflict(
                target.kind, name,
                "Precondition failed: UID in precondition: \(uid), UID in object meta: "
                    + (stored.value["metadata"]["uid"].string ?? ""))
        }
        if let renamed = wanted["metadata"]["name"].string, renamed != name {
            throw APIStatus.badRequest(
                "the name of the object (\(renamed)) does not match the name on the URL (\(name))")
        }
        var value = wanted
        for field in [
            "name", "namespace", "uid", "creationTimestamp", "generation", "resourceVersion", "deletionTimestamp",
        ] {
            value["metadata"][field] = stored.value["metadata"][field]
        }
        value["apiVersion"] = stored.value["apiVersion"]
        value["kind"] = stored.value["kind"]
        if target.subresource == "status" {
            var status = stored.value
            status["status"] = value["status"]
            value = status
        } else if ResourceKind.all.contains(where: { $0.id == target.kind.id && $0.subresources.contains("status") }) {
            value["status"] = stored.value["status"]
        }
        if target.kind.id == "pods", target.subresource == nil { try checkPodSpec(stored.value, value) }
        if value["metadata"]["labels"].object.contains(where: { $0.value.string == nil }) {
            throw APIStatus.badRequest(
                "\(target.kind.kind) in version \"\(target.kind.version)\" cannot be handled: labels are strings")
        }
        guard request.query["dryRun"] == nil else { return .json(value) }
        let isFinal =
            !stored.value["metadata"]["deletionTimestamp"].isNull && value["metadata"]["finalizers"].array.isEmpty
        let result = update(target.kind, target.key) { $0 = value } ?? stored
        if isFinal, target.kind.id != "pods" { remove(target.kind, target.key) }
        return .body(status: 200, bytes: result.bytes)
    }

    /// Of a pod's spec only images, tolerations (added) and resources by `resize` may change.
    private func checkPodSpec(_ old: JSONValue, _ new: JSONValue) throws {
        func fixed(_ pod: JSONValue) -> JSONValue {
            var spec = pod["spec"]
            for field in ["tolerations", "activeDeadlineSeconds", "terminationGracePeriodSeconds", "schedulingGates"] {
                spec[field] = .null
            }
            spec["containers"] = .array(
                spec["containers"].array.map { container in
                    var container = container
                    container["image"] = .null
                    return container
                })
            return spec
        }
        guard fixed(old) == fixed(new) else {
            throw APIStatus.invalid(
                .pods, old["metadata"]["name"].string ?? "", field: "spec",
                "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
                    + "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions "
                    + "to existing tolerations),`spec.terminationGracePeriodSeconds`")
        }
    }

    func delete(_ request: KubernetesRequest, _ target: Target) throws -> KubernetesReply {
        guard let stored = object(target.kind, target.key) else {
            throw APIStatus.notFound(target.kind, target.key.name)
        }
        let options = request.body.isEmpty ? JSONValue.object([:]) : try request.json()
        try checkPreconditions(options["preconditions"], stored, target.kind)
        let grace = options["gracePeriodSeconds"].int ?? request.query["gracePeriodSeconds"].flatMap { Int($0) }
        guard request.query["dryRun"] == nil else { return .body(status: 200, bytes: stored.bytes) }
        switch target.kind.id {
        case "pods":
            if let pod = pods[target.key] { observeRemoval(of: pod, actor: request.user, verb: "delete") }
            deletePod(target.key, graceSeconds: grace)
            return .body(status: 200, bytes: object(.pods, target.key)?.bytes ?? stored.bytes)
        case "nodes": deleteNode(target.key.name, actor: request.user)
        default:
            if !stored.value["metadata"]["finalizers"].array.isEmpty {
                let time = timestamp
                let marked = update(target.kind, target.key) { $0["metadata"]["deletionTimestamp"] = time }
                return .body(status: 200, bytes: marked?.bytes ?? stored.bytes)
            }
            remove(target.kind, target.key)
            deleteDependents(of: stored.value["metadata"]["uid"].string ?? "", in: target.key.namespace)
        }
        var status = APIStatus.success(200).json
        status["details"] = [
            "name": .string(target.key.name), "kind": .string(target.kind.plural),
            "uid": stored.value["metadata"]["uid"],
        ]
        status["code"] = .null
        return .json(status)
    }

    /// - Throws: `APIStatus` 409 when the object is another one than the caller means.
    func checkPreconditions(_ preconditions: JSONValue, _ stored: StoredObject, _ kind: ResourceKind) throws {
        let name = stored.value["metadata"]["name"].string ?? ""
        if let uid = preconditions["uid"].string, uid != stored.value["metadata"]["uid"].string {
            throw APIStatus.conflict(
                kind, name,
                "the UID in the precondition (\(uid)) does not match the UID in record "
                    + "(\(stored.value["metadata"]["uid"].string ?? "")). The object might have been deleted and then recreated"
            )
        }
        if let version = preconditions["resourceVersion"].string, version != String(stored.version) {
            throw APIStatus.conflict(
                kind, name,
                "the ResourceVersion in the precondition (\(version)) does not match the ResourceVersion in record "
                    + "(\(stored.version)). The object might have been modified")
        }
    }

    /// What garbage collection does in the background.
    private func deleteDependents(of uid: String, in namespace: String) {
        for key in (podsByOwner[uid] ?? []).sorted() { deletePod(key, graceSeconds: nil) }
        for (key, stored) in objects(.replicaSets) where key.namespace == namespace {
            guard stored.value["metadata"]["ownerReferences"].array.contains(where: { $0["uid"].string == uid }) else {
                continue
            }
            remove(.replicaSets, key)
            deleteDependents(of: stored.value["metadata"]["uid"].string ?? "", in: namespace)
        }
    }

    func scale(_ request: KubernetesRequest, _ target: Target, verb: String) throws -> KubernetesReply {
        guard let stored = object(target.kind, target.key) else {
            throw APIStatus.notFound(target.kind, target.key.name)
        }
        func representation(_ value: JSONValue) -> JSONValue {
            let labels = value["spec"]["selector"]["matchLabels"].strings.sorted { $0.key < $1.key }
            return [
                "kind": "Scale", "apiVersion": "autoscaling/v1",
                "metadata": [
                    "name": value["metadata"]["name"], "namespace": value["metadata"]["namespace"],
                    "uid": value["metadata"]["uid"], "resourceVersion": value["metadata"]["resourceVersion"],
                    "creationTimestamp": value["metadata"]["creationTimestamp"],
                ],
                "spec": ["replicas": value["spec"]["replicas"]],
                "status": [
                    "replicas": value["status"]["replicas"].isNull ? 0 : value["status"]["replicas"],
                    "selector": .string(labels.map { "\($0.key)=\($0.value)" }.joined(separator: ",")),
                ],
            ]
        }
        if verb == "get" { return .json(representation(stored.value)) }
        let current = representation(stored.value)
        let wanted = verb == "patch" ? Patch.merge(current, try request.json()) : try request.json()
        if let version = wanted["metadata"]["resourceVersion"].string, version != String(stored.version) {
            throw APIStatus.conflict(target.kind, target.key.name, APIStatus.staleObject)
        }
        guard let replicas = wanted["spec"]["replicas"].int, replicas >= 0 else {
            throw APIStatus.invalid(
                target.kind, target.key.name, field: "spec.replicas",
                "Invalid value: must be greater than or equal to 0")
        }
        let updated = update(target.kind, target.key) { $0["spec"]["replicas"] = .integer(replicas) } ?? stored
        return .json(representation(updated.value))
    }
}
