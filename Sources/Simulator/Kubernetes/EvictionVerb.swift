/// POST pods/<name>/eviction, policy/v1 and policy/v1beta1.
extension ClusterState {
    func evict(_ request: KubernetesRequest, _ target: Target) throws -> KubernetesReply {
        let body = try request.json()
        guard ["policy/v1", "policy/v1beta1"].contains(body["apiVersion"].string ?? "policy/v1"),
            body["kind"].string ?? "Eviction" == "Eviction"
        else {
            throw APIStatus.badRequest(
                "no kind \"\(body["kind"].string ?? "")\" is registered for \(body["apiVersion"].string ?? "")")
        }
        if let name = body["metadata"]["name"].string, name != target.key.name {
            throw APIStatus.badRequest("name in URL does not match name in Eviction object")
        }
        guard let stored = object(.pods, target.key), let pod = pods[target.key] else {
            throw APIStatus.notFound(.pods, target.key.name)
        }
        let options = body["deleteOptions"]
        let selecting = budgetsSelecting(target.key)
        let verdict = DisruptionArithmetic.verdict(
            podIsPendingOrDone: pod.isDone || pod.phase == "Pending", podIsTerminating: pod.isTerminating,
            podIsReady: pod.isReady, budgets: selecting.map { ($0.budget, $0.status) })
        switch verdict {
        case .moreThanOneBudget:
            throw APIStatus(
                code: 500, reason: "",
                message:
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.")
        case .refused(let status):
            let cause: JSONValue = [
                "reason": "DisruptionBudget",
                "message": .string(
                    "The disruption budget \(selecting.first?.key.name ?? "") needs \(status.desiredHealthy) healthy pods "
                        + "and has \(status.currentHealthy) currently"),
            ]
            throw APIStatus.tooManyRequests(
                "Cannot evict pod as it would violate the pod's disruption budget.", causes: [cause])
        case .allowed, .allowedWithoutBudget: break
        }
        try checkPreconditions(options["preconditions"], stored, .pods)
        let isDryRun = request.query["dryRun"] != nil || !options["dryRun"].array.isEmpty
        if !isDryRun {
            observeRemoval(of: pod, actor: request.user, verb: "evict")
            if verdict == .allowed, let budget = selecting.first?.key { noteEviction(of: target.key, under: budget) }
            deletePod(target.key, graceSeconds: options["gracePeriodSeconds"].int)
        }
        return .json(APIStatus.success(201).json, status: 201)
    }
}
