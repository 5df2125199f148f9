import Infrastructure

/// An object of the API that has a counterpart among the product's words.
protocol DomainObject: Decodable, Sendable {
    associatedtype Domain: Sendable
    /// - Throws: `UnmappedObject` when it says something we cannot reckon with.
    func domain() throws -> Domain
}

/// Why an object cannot be put into the product's words: a field's name, never its content.
struct UnmappedObject: Error, Equatable {
    var field: String
}

/// Decodes an object and keeps its counterpart alone, so that a long list holds no wide objects.
struct Mapped<Object: DomainObject>: Decodable, Sendable {
    var value: Object.Domain

    init(from decoder: any Decoder) throws {
        do {
            value = try Object(from: decoder).domain()
        } catch let error as UnmappedObject {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "\(error.field) is not one we know"))
        }
    }
}

extension NodeObject: DomainObject {
    func domain() -> Node { node }
}

extension PodObject: DomainObject {
    func domain() -> Pod { pod }
}

extension BudgetObject: DomainObject {
    /// nil without a selector: it covers no pod.
    func domain() throws -> PodDisruptionBudget? {
        if spec?.selector != nil, budget == nil {
            throw UnmappedObject(field: "spec.selector.matchExpressions.operator")
        }
        return budget
    }
}

/// A budget of `policy/v1beta1`: as today's, but an empty selector covers no pod instead of every one.
struct BetaBudgetObject: DomainObject {
    var budget: BudgetObject

    init(from decoder: any Decoder) throws { budget = try BudgetObject(from: decoder) }
    func domain() throws -> PodDisruptionBudget? {
        guard let found = try budget.domain(), !found.selector.isEmpty else { return nil }
        return found
    }
}

extension ObjectMetadata {
    /// The namespace, by its default where it is left out.
    var space: String { namespace ?? "default" }

    /// The controller among the owners.
    var controller: ObjectOwner? {
        owners.first { $0.controller == true }.map { ObjectOwner(kind: $0.kind, name: $0.name, uid: $0.uid) }
    }

    /// The tool that writes the object from a repository, by its marks (domain-rules section 5).
    var gitOps: GitOpsTool? {
        if marks.contains("argocd.argoproj.io") || labels["argocd.argoproj.io/instance"] != nil { return .argoCD }
        if marks.contains("fluxcd.io") || labels.keys.contains(where: { $0.hasSuffix(".toolkit.fluxcd.io/name") }) {
            return .flux
        }
        return labels["app.kubernetes.io/managed-by"] == "Helm" ? .helm : nil
    }
}
