/// The upserts of prices. Prices are everybody's: `$3`, the tenant, and `$4`, the job, are only there because every
/// statement of a record has them.
enum PriceStatements {
    /// By record kind.
    static let all: [String: String] = [
        "spot_prices": spotPrices, "on_demand_prices": onDemand, "spot_advice": advice, "account_zones": zones,
        "price_source": source, "price_days": days, "pool_incident": incident,
        "risk_prediction": prediction,
    ]

    private static let anyJob = "$3::text IS NOT NULL AND $4::uuid IS NOT NULL"

    /// Rows come compressed. One that goes on with the price before it only moves that row's `last_seen`.
    static let spotPrices = """
        WITH new AS (
            SELECT DISTINCT ON (1, 2, 3, 4) v->>'region' AS region, coalesce(r.zone_id, r.zone) AS zone_id, r.type, r.at,
                   r.zone, r.price, r.last_seen
              FROM unnest($1::text[], $2::jsonb[]) AS t(key, v),
                   jsonb_to_recordset(v->'rows') AS r(zone text, zone_id text, type text, price bigint, at timestamptz,
                                                      last_seen timestamptz)
             WHERE \(anyJob)
             ORDER BY 1, 2, 3, 4, r.last_seen DESC), placed AS (
            SELECT n.*, old.at AS old_at,
                   old.price = n.price AND old.at < n.at
                       AND coalesce(lag(n.at) OVER (PARTITION BY n.region, n.zone_id, n.type ORDER BY n.at) < old.at, true)
                       AS goes_on
              FROM new n LEFT JOIN LATERAL (
                   SELECT s.at, s.price FROM spot_price s
                    WHERE s.region = n.region AND s.zone_id = n.zone_id AND s.type = n.type AND s.product = 'Linux/UNIX'
                      AND s.at <= n.at ORDER BY s.at DESC LIMIT 1) old ON true), moved AS (
            UPDATE spot_price s SET last_seen = GREATEST(s.last_seen, p.last_seen) FROM placed p
             WHERE p.goes_on AND s.region = p.region AND s.zone_id = p.zone_id AND s.type = p.type
               AND s.product = 'Linux/UNIX' AND s.at = p.old_at)
        INSERT INTO spot_price (region, zone_id, type, product, at, price, last_seen, zone)
        SELECT region, zone_id, type, 'Linux/UNIX', at, price, last_seen, zone FROM placed WHERE goes_on IS NOT TRUE
         ORDER BY 1, 2, 3, 5
        ON CONFLICT (region, zone_id, type, product, at) DO UPDATE
           SET last_seen = GREATEST(spot_price.last_seen, excluded.last_seen)
        """

    static let onDemand = """
        INSERT INTO on_demand_price (region, type, price, at)
        SELECT DISTINCT ON (1, 2) v->>'region', r.type, r.price, (v->>'at')::timestamptz
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v), jsonb_to_recordset(v->'entries') AS r(type text, price bigint)
         WHERE r.price > 0 AND \(anyJob) ORDER BY 1, 2
        ON CONFLICT (region, type) DO UPDATE SET price = excluded.price, at = excluded.at
        """

    /// What is not named any more is forgotten.
    static let advice = """
        WITH new AS (
            SELECT DISTINCT ON (1, 2) v->>'region' AS region, r.type, r.range, r.saving
              FROM unnest($1::text[], $2::jsonb[]) AS t(key, v),
                   jsonb_to_recordset(v->'entries') AS r(type text, range smallint, saving int)
             WHERE \(anyJob) ORDER BY 1, 2), gone AS (
            DELETE FROM spot_advice a WHERE a.region IN (SELECT region FROM new)
               AND NOT EXISTS (SELECT FROM new n WHERE n.region = a.region AND n.type = a.type))
        INSERT INTO spot_advice (region, type, range, saving) SELECT region, type, range, saving FROM new
        ON CONFLICT (region, type) DO UPDATE SET range = excluded.range, saving = excluded.saving
        """

    static let zones = """
        INSERT INTO account_zone (account, region, zone, zone_id)
        SELECT DISTINCT ON (1, 2, 3) v->>'account', v->>'region', r.zone, r.id
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v), jsonb_to_recordset(v->'zones') AS r(zone text, id text)
         WHERE \(anyJob) ORDER BY 1, 2, 3
        ON CONFLICT (account, region, zone) DO UPDATE SET zone_id = excluded.zone_id
        """

    static let source = """
        INSERT INTO price_source (name, tag, at)
        SELECT DISTINCT ON (t.key) t.key, v->>'tag', (v->>'at')::timestamptz
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v) WHERE \(anyJob) ORDER BY t.key, 3 DESC
        ON CONFLICT (name) DO UPDATE SET tag = excluded.tag, at = GREATEST(price_source.at, excluded.at)
        """

    /// A day that is there stays there.
    static let days = """
        INSERT INTO price_day (region, type, day, state)
        SELECT DISTINCT ON (1, 2, 3) v->>'region', x.type, d.day::date,
               CASE WHEN (v->>'is_filled')::boolean THEN 'filled' ELSE 'unfillable' END
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v), jsonb_array_elements_text(v->'types') AS x(type),
               jsonb_array_elements_text(v->'days') AS d(day)
         WHERE \(anyJob) ORDER BY 1, 2, 3, 4
        ON CONFLICT (region, type, day) DO UPDATE SET state = excluded.state, changed_at = now()
         WHERE price_day.state = 'unfillable' AND excluded.state = 'filled'
        """

    /// The first of a day stays: what is known later must not better it. Only of accounts of the job's own tenant; what
    /// is older than two years goes.
    static let prediction = """
        WITH old AS (DELETE FROM risk_prediction WHERE at < world_now() - interval '2 years')
        INSERT INTO risk_prediction (account, region, zone, type, day, at, score, confidence)
        SELECT v->>'account', v->'pool'->>'region', v->'pool'->>'zone', v->'pool'->>'type', (v->>'day')::date,
               (v->>'at')::timestamptz, (v->>'score')::float8, (v->>'confidence')::float8
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
         WHERE $4::uuid IS NOT NULL
           AND EXISTS (SELECT FROM cluster c WHERE c.tenant = $3::text AND c.account = v->>'account')
        ON CONFLICT DO NOTHING
        """

    /// Only of accounts of the job's own tenant.
    static let incident = """
        INSERT INTO pool_incident (account, region, zone, type, kind, at)
        SELECT v->>'account', v->'incident'->'pool'->>'region', v->'incident'->'pool'->>'zone',
               v->'incident'->'pool'->>'type', v->'incident'->>'kind', (v->'incident'->>'at')::timestamptz
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
         WHERE $4::uuid IS NOT NULL
           AND EXISTS (SELECT FROM cluster c WHERE c.tenant = $3::text AND c.account = v->>'account')
        ON CONFLICT DO NOTHING
        """
}
