/// Strategic merge patch: lists merge by the key that the API's types declare; a list without one is atomic.
enum StrategicMerge {
    /// `patchMergeKey` of the list fields of the served kinds (Kubernetes API types, v1.35). Taints and tolerations
    /// have none: they are replaced as a whole.
    private static func mergeKey(_ field: String, _ elements: [JSONValue]) -> String? {
        switch field {
        case "containers", "initContainers", "ephemeralContainers", "volumes", "env", "imagePullSecrets", "secrets",
            "resourceClaims":
            return "name"
        case "ports":
            return elements.contains { !$0["containerPort"].isNull } ? "containerPort" : "port"
        case "volumeMounts": return "mountPath"
        case "volumeDevices": return "devicePath"
        case "conditions", "addresses": return "type"
        case "ownerReferences": return "uid"
        case "hostAliases", "podIPs", "hostIPs": return "ip"
        case "topologySpreadConstraints": return "topologyKey"
        default: return nil
        }
    }

    private static let mergedPrimitiveLists: Set<String> = ["finalizers", "podCIDRs"]

    static func apply(_ target: JSONValue, _ patch: JSONValue) -> JSONValue {
        guard case .object(let changes) = patch else { return patch }
        if changes["$patch"] == "replace" { return .object(changes.filter { $0.key != "$patch" }) }
        if changes["$patch"] == "delete" { return .null }
        var members = target.object
        if let kept = changes["$retainKeys"]?.array.compactMap(\.string) {
            members = members.filter { kept.contains($0.key) }
        }
        for (key, change) in changes where !key.hasPrefix("$") {
            switch change {
            case .null: members[key] = nil
            case .object:
                let merged = apply(members[key] ?? .null, change)
                members[key] = merged.isNull ? nil : merged
            case .array(let elements): members[key] = .array(list(key, members[key]?.array ?? [], elements))
            default: members[key] = change
            }
        }
        let marker = "$deleteFromPrimitiveList/"
        for (key, removed) in changes where key.hasPrefix(marker) {
            let field = String(key.dropFirst(marker.count))
            members[field] = .array((members[field]?.array ?? []).filter { !removed.array.contains($0) })
        }
        return .object(members)
    }

    private static func list(_ field: String, _ present: [JSONValue], _ patch: [JSONValue]) -> [JSONValue] {
        if mergedPrimitiveLists.contains(field) { return present + patch.filter { !present.contains($0) } }
        guard let key = mergeKey(field, present + patch) else { return patch.filter { $0["$patch"].isNull } }
        if patch.contains(where: { $0["$patch"] == "replace" }) {
            return patch.filter { $0["$patch"].isNull }
        }
        var merged = present
        for element in patch {
            let index = merged.firstIndex { $0[key] == element[key] }
            if element["$patch"] == "delete" {
                if let index { merged.remove(at: index) }
            } else if let index {
                merged[index] = apply(merged[index], element)
            } else {
                merged.append(apply(.object([:]), element))
            }
        }
        return merged
    }
}
