-- What the controller writes, and what others read of it. Advisory locks (7563641, n), the digits
-- of "sky": 1 is held by the leader's session; 2 is shared by each write under an epoch and taken
-- alone while the epoch rises, so no write of a former leader can commit after that.

CREATE OR REPLACE FUNCTION skyctl.check_epoch(p_epoch bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  newest bigint;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(7563641, 2);
  SELECT epoch INTO newest FROM skyctl.identity;
  IF newest IS DISTINCT FROM p_epoch THEN
    RAISE EXCEPTION 'epoch % leads, not %', newest, p_epoch
      USING ERRCODE = '55000', CONSTRAINT = 'DEPOSED', HINT = 'another controller acts';
  END IF;
END
$$;

CREATE OR REPLACE FUNCTION skyctl.raise_epoch() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  newest bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(7563641, 2);
  UPDATE skyctl.identity SET epoch = epoch + 1 RETURNING epoch INTO newest;
  RETURN newest;
END
$$;

-- True when written: equal to what is there, or of a row that is gone, is no write.
CREATE OR REPLACE FUNCTION skyctl.write_status(
  p_uid uuid, p_observed_generation bigint, p_status jsonb, p_epoch bigint)
RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM skyctl.check_epoch(p_epoch);
  -- A status lost in a crash of the server is found missing and written again.
  PERFORM set_config('synchronous_commit', 'off', true);
  INSERT INTO skyctl.resource_status AS s (uid, observed_generation, status)
    SELECT uid, p_observed_generation, p_status FROM skyctl.resource_rows
      WHERE uid = p_uid FOR KEY SHARE
  ON CONFLICT (uid) DO UPDATE
    SET observed_generation = EXCLUDED.observed_generation,
        status = EXCLUDED.status,
        updated_at = now()
    WHERE (s.observed_generation, s.status) IS DISTINCT FROM
          (EXCLUDED.observed_generation, EXCLUDED.status);
  RETURN FOUND;
END
$$;

CREATE OR REPLACE FUNCTION skyctl.after_status() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT'
     OR (NEW.observed_generation, NEW.status) IS DISTINCT FROM (OLD.observed_generation, OLD.status) THEN
    PERFORM pg_notify('skyctl_status', kind || '/' || organization || '/' || name)
      FROM skyctl.resource_rows WHERE uid = NEW.uid;
  END IF;
  RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER after_status AFTER INSERT OR UPDATE ON skyctl.resource_status
  FOR EACH ROW EXECUTE FUNCTION skyctl.after_status();

-- For the panel's pages. Without a sign of life from a controller nothing is known for sure.
CREATE OR REPLACE VIEW skyctl.resource_view AS
  WITH alive AS (
    SELECT EXISTS (SELECT FROM skyctl.controllers
                   WHERE heartbeat_at > pg_catalog.clock_timestamp() - interval '30 seconds') AS yes
  )
  SELECT r.uid, r.api_version, r.kind, r.organization, r.name, r.labels, r.annotations, r.spec,
         r.generation, r.source, r.owner, r.created_by, r.created_at, r.updated_at,
         r.deletion_requested_at, r.finalizers,
         s.observed_generation, s.status, s.updated_at AS status_updated_at,
         CASE WHEN NOT alive.yes THEN 'Unknown'
              ELSE coalesce(s.status ->> 'phase', 'Pending') END AS phase,
         alive.yes AND s.observed_generation IS NOT DISTINCT FROM r.generation
           AND coalesce(c.ready ->> 'status', '') = 'True' AS ready,
         CASE WHEN NOT alive.yes THEN 'ControllerSilent'
              ELSE coalesce(c.ready ->> 'reason', '') END AS reason,
         CASE WHEN NOT alive.yes THEN
                'no controller has given a sign of life for 30 s; last known phase: '
                || coalesce(s.status ->> 'phase', 'Pending')
              ELSE coalesce(s.status ->> 'message', '') END AS message,
         alive.yes AND s.observed_generation IS NOT DISTINCT FROM r.generation
           AND coalesce(c.reconciling ->> 'status', '') <> 'True'
           AND r.deletion_requested_at IS NULL AS settled
  FROM alive CROSS JOIN skyctl.resource_rows AS r
  LEFT JOIN skyctl.resource_status AS s ON s.uid = r.uid
  LEFT JOIN LATERAL (
    SELECT pg_catalog.jsonb_path_query_first(s.status, 'lax $.conditions[*] ? (@.type == "Ready")') AS ready,
           pg_catalog.jsonb_path_query_first(s.status, 'lax $.conditions[*] ? (@.type == "Reconciling")') AS reconciling
  ) AS c ON true;
