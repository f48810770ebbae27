-- Secrets by SQL. What is written under "data" never stands in resources or revisions: before a row
-- is looked at, each plain value moves to the inbox, and a ticket takes its place in sealedData. The
-- controller seals what the tickets mean, and the values leave the inbox in that same transaction.
-- Nobody but the controller (and the schema's owner) may read the inbox; writers only pass through it.

-- Bound to the Secret and key that it was written for: a ticket copied elsewhere opens nothing.
CREATE TABLE IF NOT EXISTS skyctl.secret_inbox (
  ticket uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
  organization text NOT NULL,
  name text NOT NULL,
  key text NOT NULL,
  value text NOT NULL,
  at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
CREATE INDEX IF NOT EXISTS secret_inbox_of ON skyctl.secret_inbox (organization, name);

CREATE OR REPLACE FUNCTION skyctl.plaintext_problem(spec jsonb)
RETURNS text[] LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    WHEN jsonb_typeof(spec -> 'data') <> 'object' THEN ARRAY['22023', 'CONFIGURATION_INVALID_SPEC',
      'data of a Secret must be a JSON object', 'write {"data": {"PASSWORD": "..."}}']
    WHEN jsonb_path_exists(spec, 'strict $.data.* ? (@.type() != "string")')
      THEN ARRAY['22023', 'CONFIGURATION_INVALID_SPEC',
      'data of a Secret must have strings as values', 'write numbers as "5432"']
    WHEN EXISTS (SELECT FROM jsonb_object_keys(spec -> 'data') AS k WHERE k !~ '^[-._A-Za-z0-9]{1,253}$')
      THEN ARRAY['22023', 'CONFIGURATION_INVALID_SPEC',
      'a key of data is not 1 to 253 letters, digits, "-", "_" and "."', 'rename the key']
    WHEN spec ? 'sealedData' AND jsonb_typeof(spec -> 'sealedData') <> 'object'
      THEN ARRAY['22023', 'CONFIGURATION_INVALID_SPEC',
      'sealedData of a Secret must be a JSON object', 'leave it out, or seal the values with skyctl seal']
  END
$$;

-- Before "before_insert" and "before_update", by its name. In an upsert it runs for the INSERT, and
-- EXCLUDED has the tickets already.
CREATE OR REPLACE FUNCTION skyctl.receive_plaintext() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  problem text[];
  tickets jsonb;
BEGIN
  problem := coalesce(
    skyctl.identity_problem(NEW.kind, coalesce(NEW.organization, ''), NEW.name),
    skyctl.spec_problem('', NEW.spec),
    skyctl.plaintext_problem(NEW.spec));
  IF problem IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = problem[1], CONSTRAINT = problem[2], MESSAGE = problem[3],
      HINT = problem[4], SCHEMA = 'skyctl', TABLE = 'resources';
  END IF;
  WITH arrived AS (
    INSERT INTO skyctl.secret_inbox (organization, name, key, value)
      SELECT coalesce(NEW.organization, ''), NEW.name, d.key, d.value
      FROM jsonb_each_text(NEW.spec -> 'data') AS d
    RETURNING secret_inbox.key, ticket)
  SELECT jsonb_object_agg(arrived.key, 'inbox:' || ticket) INTO tickets FROM arrived;
  NEW.spec := (NEW.spec - 'data') || jsonb_build_object('sealedData',
    coalesce(NEW.spec -> 'sealedData', '{}') || coalesce(tickets, '{}'));
  RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER arrive BEFORE INSERT OR UPDATE ON skyctl.resource_rows
  FOR EACH ROW WHEN (NEW.kind = 'Secret' AND jsonb_exists(NEW.spec, 'data'))
  EXECUTE FUNCTION skyctl.receive_plaintext();

-- What no ticket means any more is gone: sealed, overwritten, or its Secret is.
CREATE OR REPLACE FUNCTION skyctl.empty_inbox() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  tickets jsonb := '{}';
BEGIN
  IF TG_OP <> 'DELETE' THEN
    tickets := coalesce(NEW.spec -> 'sealedData', '{}');
  END IF;
  DELETE FROM skyctl.secret_inbox AS i
    WHERE i.organization = CASE WHEN TG_OP = 'DELETE' THEN OLD.organization ELSE NEW.organization END
      AND i.name = CASE WHEN TG_OP = 'DELETE' THEN OLD.name ELSE NEW.name END
      AND (tickets ->> i.key) IS DISTINCT FROM 'inbox:' || i.ticket;
  RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER empty_inbox_written AFTER INSERT OR UPDATE ON skyctl.resource_rows
  FOR EACH ROW WHEN (NEW.kind = 'Secret') EXECUTE FUNCTION skyctl.empty_inbox();
CREATE OR REPLACE TRIGGER empty_inbox_deleted AFTER DELETE ON skyctl.resource_rows
  FOR EACH ROW WHEN (OLD.kind = 'Secret') EXECUTE FUNCTION skyctl.empty_inbox();

-- Is anything sealed in this store, or waiting to be?
CREATE OR REPLACE FUNCTION skyctl.anything_sealed() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (
    SELECT FROM skyctl.resource_rows AS r JOIN skyctl.revisions AS v ON v.uid = r.uid
    WHERE r.kind = 'Secret' AND v.spec -> 'sealedData' <> '{}')
$$;

-- Which key values are sealed for: the first that is offered, or another one when nothing is sealed
-- yet, or when a person says so.
CREATE OR REPLACE FUNCTION skyctl.bind_sealing_key(p_id text, p_public_key text, p_adopt boolean)
RETURNS TABLE (id text, public_key text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  bound text;
BEGIN
  SELECT i.sealing_key_id INTO bound FROM skyctl.identity AS i FOR UPDATE;
  IF bound IS NULL OR (bound <> p_id AND (p_adopt OR NOT skyctl.anything_sealed())) THEN
    UPDATE skyctl.sealing_keys AS k SET active = false WHERE k.active;
    INSERT INTO skyctl.sealing_keys AS k (id, public_key) VALUES (p_id, p_public_key)
      ON CONFLICT ON CONSTRAINT sealing_keys_pkey DO UPDATE SET active = true;
    UPDATE skyctl.identity AS i SET sealing_key_id = p_id;
    bound := p_id;
  END IF;
  RETURN QUERY SELECT k.id, k.public_key FROM skyctl.sealing_keys AS k WHERE k.id = bound;
END
$$;
