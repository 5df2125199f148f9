import Postgres

/// What `cloudoptim doctor` asks about the product's own tables.
public enum ProductQuestions {
    /// Kill switch, clusters, findings, events.
    public static let all = [
        HealthQuestion(
            "kill switch", advice: "nothing is changed anywhere until it is off: `cloudoptim kill-switch off`",
            """
            SELECT CASE WHEN is_on THEN 'warning' ELSE 'ok' END,
                   CASE WHEN is_on THEN 'on since ' || changed_at || ' by ' || changed_by ELSE 'off' END FROM kill_switch
            """),
        HealthQuestion(
            "clusters",
            advice: "register a cluster, or give it a credential and a queue: `cloudoptim clusters add --help`",
            """
            SELECT CASE WHEN count(*) FILTER (WHERE NOT has_credential OR queue_url IS NULL) > 0 THEN 'warning' ELSE 'ok' END,
                   count(*) || ' clusters' || coalesce('; without credential or queue: '
                   || string_agg(id, ', ' ORDER BY id) FILTER (WHERE NOT has_credential OR queue_url IS NULL), '')
              FROM cluster_status WHERE mode <> 'off'
            """),
        HealthQuestion(
            "critical findings", advice: "`cloudoptim findings --severity critical --since 1d` says what to do",
            """
            SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END, count(*) || ' in the last day'
                   || coalesce(': ' || string_agg(DISTINCT code, ', ' ORDER BY code), '')
              FROM finding_status WHERE severity = 'critical' AND last_at > world_now() - interval '1 day'
            """),
        HealthQuestion(
            "late drains", advice: "look at the findings of those clusters",
            """
            SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END, count(*) || ' nodes of the last day went before they were empty'
              FROM interruption_status WHERE drained_at > deadline AND event_at > world_now() - interval '1 day'
            """),
        HealthQuestion(
            "unreadable events", advice: "look at the table event_dead_letter: who else writes into the queue?",
            """
            SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END, count(*) || ' in the last day'
              FROM event_dead_letter WHERE received_at > now() - interval '1 day'
            """),
    ]
}
