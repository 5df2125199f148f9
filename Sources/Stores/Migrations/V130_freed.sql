-- Room that was freed on nodes: told beside the savings, never added to them. What removes a node for it is counted there.

ALTER TABLE saving DROP CONSTRAINT saving_form_check;
ALTER TABLE saving
    ADD CONSTRAINT saving_form_check CHECK (form IN ('cheaper', 'removed', 'gone', 'freed')),
    ADD COLUMN until timestamptz CHECK (until >= since);    -- world time; NULL: it did not end by itself

CREATE OR REPLACE VIEW saving_status AS
    SELECT key, tenant, cluster_id, instance_id, per_hour / 1e6 AS dollars_per_hour, since, job_id, feature, form,
           before / 1e6 AS dollars_before, after / 1e6 AS dollars_after, until
      FROM saving;
