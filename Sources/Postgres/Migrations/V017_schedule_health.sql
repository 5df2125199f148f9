-- A schedule that never fired has no last slot; it was shown as the epoch.
CREATE OR REPLACE VIEW schedule_health AS
    SELECT s.id, s.kind, s.target, s.enabled, s.spec, nullif(s.last_slot, 'epoch') AS last_slot, s.next_slot,
           CASE WHEN s.enabled AND p.name IS NULL THEN greatest(0, extract(epoch FROM world_now() - s.next_slot))::float8
                ELSE 0 END AS late_seconds,
           p.by AS paused_by, p.reason AS pause_reason, p.until AS paused_until
      FROM schedule s
      LEFT JOIN pause p ON p.scope = 'schedule' AND p.name = s.id AND (p.until IS NULL OR p.until > now());
