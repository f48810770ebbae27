-- What a write to skyctl.resources means. The functions run as the owner of the schema, so who
-- writes is session_user, never current_user. What is wrong with a write is found by functions
-- that answer NULL or {SQLSTATE, code, message, hint}; the trigger raises it, with the code in the
-- field "constraint", for programs.

-- The session's own role is the controller's, or the schema's owner: SET ROLE does not change it.
CREATE OR REPLACE FUNCTION skyctl.trusted() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (
      SELECT FROM pg_roles
      WHERE rolname IN ('skyctl_owner', 'skyctl_controller')
        AND pg_has_role(session_user, oid, 'MEMBER'))
    OR session_user = (
      SELECT pg_get_userbyid(relowner) FROM pg_class
      WHERE oid = 'skyctl.resource_rows'::regclass)
$$;

-- The source that this transaction writes for. '*' (the controller only): whoever owns the row.
CREATE OR REPLACE FUNCTION skyctl.writing_source() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN coalesce(current_setting('skyctl.source', true), '') IN ('', 'sql') THEN 'sql'
              WHEN skyctl.trusted() THEN current_setting('skyctl.source', true)
              ELSE 'sql' END
$$;

-- Who acts: SET LOCAL skyctl.actor, else the row's created_by, else the login.
CREATE OR REPLACE FUNCTION skyctl.actor(created_by text DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT left(coalesce(nullif(current_setting('skyctl.actor', true), ''), created_by, session_user), 200)
$$;

-- none: no organization; required; either. NULL: no such kind.
CREATE OR REPLACE FUNCTION skyctl.kind_scope(kind text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE kind
    WHEN 'Organization' THEN 'none'
    WHEN 'Template' THEN 'none'
    WHEN 'CaasConfiguration' THEN 'none'
    WHEN 'Secret' THEN 'either'
    WHEN 'Service' THEN 'required'
    WHEN 'Volume' THEN 'required'
    WHEN 'Domain' THEN 'required'
    WHEN 'TemplateInstance' THEN 'required'
    WHEN 'VolumeBackup' THEN 'required'
    WHEN 'VolumeRestore' THEN 'required'
    WHEN 'AlertPolicy' THEN 'required'
  END
$$;

CREATE OR REPLACE FUNCTION skyctl.identity_problem(kind text, organization text, name text)
RETURNS text[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    WHEN scope IS NULL THEN ARRAY['22023', 'CONFIGURATION_INVALID_SPEC',
      format('there is no kind %s', coalesce(quote_literal(left(kind, 80)), 'NULL')),
      'this version carries out Organization, Volume, Secret, Service, Domain and CaasConfiguration']
    WHEN name IS NULL OR name !~ label THEN ARRAY['22023', 'CONFIGURATION_INVALID_SPEC',
      format('name %s is not a DNS label', coalesce(quote_literal(left(name, 80)), 'NULL')), rule]
    WHEN scope = 'none' AND organization <> '' THEN ARRAY['22023', 'CONFIGURATION_INVALID_SPEC',
      format('a %s belongs to no organization, yet organization is %s', kind,
             quote_literal(left(organization, 80))),
      'leave organization out, or write the empty string']
    WHEN scope = 'required' AND organization = '' THEN ARRAY['22023', 'CONFIGURATION_INVALID_SPEC',
      format('a %s needs an organization', kind),
      'set organization to the name of an Organization resource']
    WHEN organization <> '' AND organization !~ label THEN ARRAY['22023', 'CONFIGURATION_INVALID_SPEC',
      format('organization %s is not a DNS label', quote_literal(left(organization, 80))), rule]
  END
  FROM (SELECT skyctl.kind_scope(kind) AS scope,
               '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' AS label,
               'use 1 to 63 lower-case letters, digits and hyphens, '
               'with a letter or digit at both ends' AS rule) AS rules
$$;

-- Only the shape: what a spec means is for the controller to judge.
CREATE OR REPLACE FUNCTION skyctl.spec_problem(kind text, spec jsonb)
RETURNS text[] LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    WHEN spec IS NULL OR jsonb_typeof(spec) <> 'object' THEN ARRAY['22023', 'CONFIGURATION_INVALID_SPEC',
      format('spec must be a JSON object, not %s', coalesce(jsonb_typeof(spec), 'NULL')),
      'write for example ''{"image": "nginx:1.27"}''']
    WHEN octet_length(spec::text) > 262144 THEN ARRAY['22023', 'CONFIGURATION_INVALID_SPEC',
      format('spec has %s bytes; at most 262144 (256 KiB) are allowed', octet_length(spec::text)),
      'put large content into a volume or an image']
    WHEN jsonb_path_exists(spec, 'strict $.**{65}') THEN ARRAY['22023', 'CONFIGURATION_INVALID_SPEC',
      'spec is nested deeper than 64 levels', 'no field of any kind needs that']
    -- Nothing of a Secret is kept that may be a value in the clear: "data" has gone to the inbox.
    WHEN kind = 'Secret' AND spec - 'sealedData' <> '{}' THEN ARRAY['22023', 'CONFIGURATION_INVALID_SPEC',
      'a Secret has no other fields than data and sealedData', 'write {"data": {"PASSWORD": "..."}}']
    WHEN kind = 'Secret' AND spec ? 'sealedData'
      AND (jsonb_typeof(spec -> 'sealedData') <> 'object' OR jsonb_path_exists(spec,
        'strict $.sealedData.* ? (@.type() != "string" || !(@ like_regex "^(v1:[0-9a-f]{16}:[A-Za-z0-9+/]{64,}={0,2}|inbox:[0-9a-f-]{36})$"))'))
      THEN ARRAY['22023', 'SECRET_NOT_SEALED', 'sealedData of a Secret has a value that is not sealed',
      'write plain values under data, or seal them with skyctl seal']
  END
$$;

CREATE OR REPLACE FUNCTION skyctl.texts_problem(field text, value jsonb)
RETURNS text[] LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    WHEN jsonb_typeof(value) <> 'object' THEN ARRAY['22023', 'CONFIGURATION_INVALID_SPEC',
      format('%s must be a JSON object, not %s', field, jsonb_typeof(value)),
      format('write for example ''{"tier": "web"}'' as %s', field)]
    WHEN jsonb_path_exists(value, 'strict $.* ? (@.type() != "string")')
      THEN ARRAY['22023', 'CONFIGURATION_INVALID_SPEC',
      format('%s must have strings as values', field),
      format('write for example ''{"tier": "web"}'' as %s', field)]
    WHEN octet_length(value::text) > 65536 THEN ARRAY['22023', 'CONFIGURATION_INVALID_SPEC',
      format('%s has %s bytes; at most 65536 are allowed', field, octet_length(value::text)),
      format('keep %s short', field)]
  END
$$;

DROP FUNCTION IF EXISTS skyctl.foreign_problem(text, text, text, text, text);
CREATE OR REPLACE FUNCTION skyctl.foreign_problem(
  kind text, organization text, name text, owned_by text, writer text, verb text)
RETURNS text[] LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT ARRAY['55000', 'RESOURCE_OWNED_ELSEWHERE',
      format('%s/%s belongs to %s; %s may not %s it', kind, name, owned_by, writer, verb),
      format('change it where it comes from, or take it over: skyctl adopt %s/%s%s --source %s',
             lower(kind), name, coalesce(' --org ' || nullif(organization, ''), ''), writer)]
    WHERE writer NOT IN (owned_by, '*')
$$;

CREATE OR REPLACE FUNCTION skyctl.deleting_problem(kind text, name text, since timestamptz)
RETURNS text[] LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT ARRAY['55006', 'RESOURCE_BEING_DELETED',
      format('%s/%s is being deleted', kind, name),
      'wait until its row is gone, then insert it again']
    WHERE since IS NOT NULL
$$;

CREATE OR REPLACE FUNCTION skyctl.is_protected(annotations jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(annotations ->> 'skypanel.io/protect', '') NOT IN ('', 'false')
$$;

CREATE OR REPLACE FUNCTION skyctl.protection_problem(target skyctl.resource_rows)
RETURNS text[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    WHEN skyctl.is_protected(target.annotations) THEN ARRAY['55000', 'RESOURCE_PROTECTED',
      format('%s/%s is protected against deletion', target.kind, target.name),
      'remove its annotation skypanel.io/protect first: null in a manifest, annotations - ''skypanel.io/protect'' in SQL']
    WHEN target.kind = 'Organization' THEN (
      SELECT ARRAY['55000', 'RESOURCE_PROTECTED',
          format('Organization/%s holds what is protected against deletion: %s', target.name,
                 string_agg(kind || '/' || name, ', ' ORDER BY kind, name)),
          'remove their annotation skypanel.io/protect first: null in a manifest, annotations - ''skypanel.io/protect'' in SQL']
        FROM skyctl.resource_rows
        WHERE organization = target.name AND deletion_requested_at IS NULL
          AND skyctl.is_protected(annotations)
        HAVING count(*) > 0)
  END
$$;

CREATE OR REPLACE FUNCTION skyctl.before_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  problem text[];
BEGIN
  NEW.organization := coalesce(NEW.organization, '');
  NEW.labels := coalesce(NEW.labels, '{}');
  -- null takes one away.
  NEW.annotations := jsonb_strip_nulls(coalesce(NEW.annotations, '{}'));
  problem := coalesce(
    skyctl.identity_problem(NEW.kind, NEW.organization, NEW.name),
    skyctl.spec_problem(NEW.kind, NEW.spec),
    skyctl.texts_problem('labels', NEW.labels),
    skyctl.texts_problem('annotations', NEW.annotations));
  IF problem IS NULL AND NEW.organization <> '' THEN
    -- Shared with other inserts, exclusive against a request to delete the organization.
    SELECT skyctl.deleting_problem('Organization', name, deletion_requested_at) INTO problem
      FROM skyctl.resource_rows
      WHERE kind = 'Organization' AND organization = '' AND name = NEW.organization FOR SHARE;
  END IF;
  IF problem IS NULL THEN
    SELECT skyctl.deleting_problem(kind, name, deletion_requested_at) INTO problem
      FROM skyctl.resource_rows
      WHERE kind = NEW.kind AND organization = NEW.organization AND name = NEW.name;
  END IF;
  IF problem IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = problem[1], CONSTRAINT = problem[2], MESSAGE = problem[3],
      HINT = problem[4], SCHEMA = 'skyctl', TABLE = 'resources';
  END IF;

  NEW.uid := gen_random_uuid();
  NEW.generation := 1;
  NEW.source := skyctl.writing_source();
  NEW.created_at := clock_timestamp();
  NEW.updated_at := NEW.created_at;
  NEW.deletion_requested_at := NULL;
  NEW.finalizers := '{}';
  IF NOT skyctl.trusted() THEN
    NEW.api_version := 'skypanel.io/v1';
    NEW.owner := NULL;
  END IF;
  RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION skyctl.before_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  problem text[];
BEGIN
  NEW.labels := coalesce(NEW.labels, '{}');
  -- null takes one away.
  NEW.annotations := jsonb_strip_nulls(coalesce(NEW.annotations, '{}'));
  NEW.uid := OLD.uid;
  NEW.created_at := OLD.created_at;
  NEW.generation := OLD.generation;
  NEW.updated_at := OLD.updated_at;
  -- Deletion is requested once and never taken back.
  NEW.deletion_requested_at := CASE
    WHEN OLD.deletion_requested_at IS NOT NULL THEN OLD.deletion_requested_at
    WHEN NEW.deletion_requested_at IS NOT NULL THEN clock_timestamp() END;
  IF NOT skyctl.trusted() THEN
    NEW.api_version := OLD.api_version;
    NEW.source := OLD.source;
    NEW.owner := OLD.owner;
    NEW.finalizers := OLD.finalizers;
  END IF;

  IF (NEW.kind, NEW.organization, NEW.name) IS DISTINCT FROM (OLD.kind, OLD.organization, OLD.name) THEN
    problem := ARRAY['22023', 'RESOURCE_CONFLICT', 'kind, organization and name cannot be changed',
      'delete it and insert it under the new name'];
  END IF;
  IF NEW.spec IS DISTINCT FROM OLD.spec THEN
    NEW.generation := OLD.generation + 1;
    problem := coalesce(problem,
      skyctl.deleting_problem(OLD.kind, OLD.name, OLD.deletion_requested_at),
      skyctl.foreign_problem(OLD.kind, OLD.organization, OLD.name, OLD.source, skyctl.writing_source(), 'change'),
      skyctl.spec_problem(NEW.kind, NEW.spec));
  END IF;
  IF NEW.labels IS DISTINCT FROM OLD.labels THEN
    problem := coalesce(problem, skyctl.texts_problem('labels', NEW.labels));
  END IF;
  IF NEW.annotations IS DISTINCT FROM OLD.annotations THEN
    problem := coalesce(problem, skyctl.texts_problem('annotations', NEW.annotations));
  END IF;
  IF problem IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = problem[1], CONSTRAINT = problem[2], MESSAGE = problem[3],
      HINT = problem[4], SCHEMA = 'skyctl', TABLE = 'resources';
  END IF;

  IF (NEW.spec, NEW.labels, NEW.annotations, NEW.source, NEW.deletion_requested_at)
     IS DISTINCT FROM (OLD.spec, OLD.labels, OLD.annotations, OLD.source, OLD.deletion_requested_at) THEN
    -- Never backwards: a transaction that began earlier may write later.
    NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at + interval '1 microsecond');
  END IF;
  RETURN NEW;
END
$$;

-- A row goes only when its deletion was requested and the controller has cleared the engine.
CREATE OR REPLACE FUNCTION skyctl.before_delete() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF OLD.deletion_requested_at IS NULL OR NOT skyctl.trusted() THEN
    RAISE EXCEPTION '%/% cannot be removed from under the controller', OLD.kind, OLD.name
      USING ERRCODE = '55000', CONSTRAINT = 'RESOURCE_CONFLICT',
            HINT = 'DELETE FROM skyctl.resources requests its deletion';
  END IF;
  RETURN OLD;
END
$$;

-- Wakes the loop: spec, labels, annotations and deletion only. The payload stays under 200 bytes.
CREATE OR REPLACE FUNCTION skyctl.after_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  subject skyctl.resource_rows;
  who text;
BEGIN
  IF TG_OP = 'DELETE' THEN
    subject := OLD;
  ELSE
    subject := NEW;
    who := skyctl.actor(CASE WHEN TG_OP = 'INSERT' OR NEW.created_by IS DISTINCT FROM OLD.created_by
                             THEN NEW.created_by END);
    IF TG_OP = 'INSERT' OR NEW.generation <> OLD.generation THEN
      INSERT INTO skyctl.revisions (uid, generation, spec, by)
        VALUES (NEW.uid, NEW.generation, NEW.spec, who);
    END IF;
    IF TG_OP = 'UPDATE' THEN
      IF OLD.deletion_requested_at IS NULL AND NEW.deletion_requested_at IS NOT NULL THEN
        PERFORM skyctl.record_event(NEW.uid, NEW.kind, NEW.organization, NEW.name,
          'Normal', 'DeletionRequested', 'deletion requested by ' || who);
      ELSIF (NEW.spec, NEW.labels, NEW.annotations) IS NOT DISTINCT FROM
            (OLD.spec, OLD.labels, OLD.annotations) THEN
        RETURN NULL;
      END IF;
    END IF;
  END IF;
  PERFORM pg_notify('skyctl_resources',
    subject.kind || '/' || subject.organization || '/' || subject.name);
  RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION skyctl.record_event(
  p_uid uuid, p_kind text, p_organization text, p_name text,
  p_type text, p_reason text, p_message text)
RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  -- How far a pull is gets renewed in place.
  DELETE FROM skyctl.events
    WHERE p_reason = 'Pulling' AND uid = p_uid AND reason = 'Pulling'
      AND message <> left(p_message, 2048);
  -- By the clock, not by the transaction: what is told together stays in its order.
  INSERT INTO skyctl.events AS e (at, first_at, uid, kind, organization, name, type, reason, message)
    VALUES (clock_timestamp(), clock_timestamp(), p_uid, p_kind, p_organization, p_name, p_type,
            left(p_reason, 128), left(p_message, 2048))
  ON CONFLICT (uid, kind, organization, name, type, reason, md5(message))
    DO UPDATE SET count = e.count + 1, at = clock_timestamp()
$$;

CREATE OR REPLACE FUNCTION skyctl.request_deletion() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  target skyctl.resource_rows;
  problem text[];
BEGIN
  SELECT * INTO target FROM skyctl.resource_rows WHERE uid = OLD.uid FOR NO KEY UPDATE;
  IF NOT FOUND OR target.deletion_requested_at IS NOT NULL THEN
    RETURN OLD;
  END IF;
  problem := coalesce(
    skyctl.foreign_problem(target.kind, target.organization, target.name, target.source,
      skyctl.writing_source(), 'delete'),
    skyctl.protection_problem(target));
  IF problem IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = problem[1], CONSTRAINT = problem[2], MESSAGE = problem[3],
      HINT = problem[4], SCHEMA = 'skyctl', TABLE = 'resources';
  END IF;
  UPDATE skyctl.resource_rows SET deletion_requested_at = now() WHERE uid = target.uid;
  RETURN OLD;
END
$$;

CREATE OR REPLACE FUNCTION skyctl.refuse_truncate() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'skyctl.% is not truncated: it is the only record of what runs', TG_TABLE_NAME
    USING ERRCODE = '55000', CONSTRAINT = 'RESOURCE_CONFLICT',
          HINT = 'DELETE FROM skyctl.resources requests the deletion of each row';
END
$$;

CREATE OR REPLACE TRIGGER before_insert BEFORE INSERT ON skyctl.resource_rows
  FOR EACH ROW EXECUTE FUNCTION skyctl.before_insert();
CREATE OR REPLACE TRIGGER before_update BEFORE UPDATE ON skyctl.resource_rows
  FOR EACH ROW EXECUTE FUNCTION skyctl.before_update();
CREATE OR REPLACE TRIGGER before_delete BEFORE DELETE ON skyctl.resource_rows
  FOR EACH ROW EXECUTE FUNCTION skyctl.before_delete();
CREATE OR REPLACE TRIGGER after_write AFTER INSERT OR UPDATE OR DELETE ON skyctl.resource_rows
  FOR EACH ROW EXECUTE FUNCTION skyctl.after_write();
CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON skyctl.resource_rows
  FOR EACH STATEMENT EXECUTE FUNCTION skyctl.refuse_truncate();
CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON skyctl.revisions
  FOR EACH STATEMENT EXECUTE FUNCTION skyctl.refuse_truncate();
CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON skyctl.retained_volumes
  FOR EACH STATEMENT EXECUTE FUNCTION skyctl.refuse_truncate();

-- Auto-updatable, so RETURNING, ON CONFLICT and column grants work. Only DELETE is replaced: a
-- BEFORE DELETE trigger on a plain table could merely answer DELETE 0.
CREATE OR REPLACE VIEW skyctl.resources AS
  SELECT uid, api_version, kind, organization, name, labels, annotations, spec, generation, source,
         owner, created_by, created_at, updated_at, deletion_requested_at, finalizers
  FROM skyctl.resource_rows;
CREATE OR REPLACE TRIGGER request_deletion INSTEAD OF DELETE ON skyctl.resources
  FOR EACH ROW EXECUTE FUNCTION skyctl.request_deletion();
