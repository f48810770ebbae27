-- What of an organization's quota is given away, and who waits for what. claims: what a resource may
-- use at most, by resource (cpu in billionths of a core, memory and storage in bytes); {} for who
-- has nothing yet. wanted: what was asked for and does not fit, since: when its declaration was
-- written, lacking: what it lacks, as it was when last judged.
-- Advisory locks (7563642, hash of the organization): one decision at a time for each.
ALTER TABLE skyctl.admissions
  ADD COLUMN IF NOT EXISTS wanted jsonb,
  ADD COLUMN IF NOT EXISTS wanted_generation bigint,
  ADD COLUMN IF NOT EXISTS since timestamptz,
  ADD COLUMN IF NOT EXISTS lacking jsonb;
CREATE INDEX IF NOT EXISTS admissions_organization ON skyctl.admissions (organization);

-- Transactions that decide on one organization's quota come one after the other.
CREATE OR REPLACE FUNCTION skyctl.lock_quota(p_organization text, p_generation bigint)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  newest bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(7563642, hashtext(p_organization));
  SELECT generation INTO newest FROM skyctl.resource_rows
    WHERE kind = 'Organization' AND organization = '' AND name = p_organization;
  IF newest IS DISTINCT FROM p_generation THEN
    RAISE EXCEPTION 'Organization/% has changed meanwhile', p_organization
      USING ERRCODE = '40001', HINT = 'it is judged again';
  END IF;
END
$$;
