-- Roles and the schema. Roles belong to the whole cluster; a user who may not create them still
-- gets the schema (then everything in it belongs to that user, and nothing is granted).
DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['skyctl_owner', 'skyctl_controller', 'skyctl_backend'] LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
      BEGIN
        EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', wanted);
      EXCEPTION
        WHEN insufficient_privilege THEN
          RAISE WARNING 'role % is missing and % may not create it', wanted, current_user
            USING HINT = 'an administrator runs the output of: skyctl schema sql';
        WHEN duplicate_object OR unique_violation THEN
          NULL;  -- another session was faster
      END;
    END IF;
  END LOOP;

  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'skyctl_owner')
     AND NOT pg_catalog.pg_has_role(current_user, 'skyctl_owner', 'USAGE') THEN
    BEGIN
      EXECUTE pg_catalog.format('GRANT skyctl_owner TO %I', current_user);
    EXCEPTION
      WHEN insufficient_privilege THEN NULL;
    END;
  END IF;

  IF pg_catalog.to_regnamespace('skyctl') IS NULL THEN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'skyctl_owner')
       AND pg_catalog.pg_has_role(current_user, 'skyctl_owner', 'USAGE') THEN
      EXECUTE 'CREATE SCHEMA skyctl AUTHORIZATION skyctl_owner';
    ELSE
      EXECUTE 'CREATE SCHEMA skyctl';
    END IF;
  END IF;
END
$$;

CREATE TABLE IF NOT EXISTS skyctl.schema_versions (
  version integer PRIMARY KEY,
  name text NOT NULL,
  checksum text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
