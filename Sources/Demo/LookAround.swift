/// What a person can do with a demo that was left running.
struct LookAround {
    let settings: DemoSettings
    let stage: Stage
    let narrator: Narrator

    func explain() {
        let folder = settings.short(settings.directory)
        let program = settings.short(settings.program)
        narrator.heading("Everything still runs (KEEP=1). Look around, from \(settings.root):")
        show("the addresses and keys for this shell", ". \(folder)/cloudoptim.env")
        show("the cluster, with plain kubectl", "kubectl get nodes", "kubectl get pods -A -o wide | head")
        show("jobs", "\(program) jobs list --kind drain-node", "\(program) jobs explain <id>")
        show("workers, queues, schedules", "\(program) workers", "\(program) queues", "\(program) schedules")
        show(
            "the ledger by SQL",
            "psql \"$DATABASE_URL\" -c 'SELECT * FROM cloudoptim.interruption_status'",
            "psql \"$DATABASE_URL\" -c 'SELECT step, state, key FROM cloudoptim.effect_log ORDER BY at DESC LIMIT 20'")
        for name in ["scheduler", "worker-1", "worker-2", "worker-3"] {
            guard stage.isAlive(name), let port = stage.metricsPort(of: name) else { continue }
            show("metrics of \(name)", "curl -s http://127.0.0.1:\(port)/metrics")
        }
        show("the world's own notes", "curl -s $AWS_ENDPOINT_URL/_control/state")
        show("another warning", "\(program) simulate interrupt \(DemoSettings.cluster) --count 1")
        show("logs", "tail -f \(settings.short(settings.logs))/*.log")
        show("end it all", "\(settings.short(settings.ownPath)) stop")
    }

    private func show(_ what: String, _ commands: String...) {
        narrator.write("  # " + what)
        for command in commands { narrator.write("  " + command) }
    }
}
