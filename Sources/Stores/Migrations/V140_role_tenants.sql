-- A role belongs to exactly one tenant, as a queue does: whoever knows another's role and external id may not name them.
-- A trigger, for a cluster's columns are written by the release before, too. `@schema@` is replaced by the schema that is migrated.

CREATE INDEX cluster_role ON cluster (role_arn) WHERE role_arn IS NOT NULL;

CREATE FUNCTION check_role_tenant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Two registrations of one role at once: the second looks after the first has committed.
    PERFORM pg_advisory_xact_lock(hashtextextended(NEW.role_arn, 140));
    IF EXISTS (SELECT FROM cluster c WHERE c.role_arn = NEW.role_arn AND c.tenant <> NEW.tenant) THEN
        RAISE EXCEPTION 'the role % belongs to another tenant', NEW.role_arn USING ERRCODE = 'exclusion_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER cluster_role_tenant BEFORE INSERT OR UPDATE OF role_arn, tenant ON cluster
    FOR EACH ROW WHEN (NEW.role_arn IS NOT NULL) EXECUTE FUNCTION check_role_tenant();
