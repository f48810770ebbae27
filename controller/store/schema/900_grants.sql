-- Ownership and grants; applied again after every change of the schema, and once the roles exist.
-- Each table that the backend may read is named: what is added later stays unreadable until then.
DO $$
DECLARE
  item record;
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'skyctl_owner')
     AND pg_catalog.pg_has_role(current_user, 'skyctl_owner', 'USAGE') THEN
    IF EXISTS (SELECT FROM pg_catalog.pg_namespace
               WHERE nspname = 'skyctl' AND nspowner <> 'skyctl_owner'::pg_catalog.regrole) THEN
      EXECUTE 'ALTER SCHEMA skyctl OWNER TO skyctl_owner';
    END IF;
    FOR item IN
      SELECT c.relname, CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS what
      FROM pg_catalog.pg_class AS c
      WHERE c.relnamespace = 'skyctl'::pg_catalog.regnamespace AND c.relkind IN ('r', 'v')
        AND c.relowner <> 'skyctl_owner'::pg_catalog.regrole
    LOOP
      EXECUTE pg_catalog.format('ALTER %s skyctl.%I OWNER TO skyctl_owner', item.what, item.relname);
    END LOOP;
    FOR item IN
      SELECT p.oid::pg_catalog.regprocedure AS signature
      FROM pg_catalog.pg_proc AS p
      WHERE p.pronamespace = 'skyctl'::pg_catalog.regnamespace
        AND p.proowner <> 'skyctl_owner'::pg_catalog.regrole
    LOOP
      EXECUTE pg_catalog.format('ALTER FUNCTION %s OWNER TO skyctl_owner', item.signature);
    END LOOP;
  END IF;

  REVOKE ALL ON ALL FUNCTIONS IN SCHEMA skyctl FROM PUBLIC;

  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'skyctl_controller') THEN
    GRANT USAGE ON SCHEMA skyctl TO skyctl_controller;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA skyctl TO skyctl_controller;
    REVOKE INSERT, UPDATE, DELETE ON skyctl.schema_versions FROM skyctl_controller;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA skyctl TO skyctl_controller;
  END IF;

  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'skyctl_backend') THEN
    GRANT USAGE ON SCHEMA skyctl TO skyctl_backend;
    GRANT SELECT, DELETE ON skyctl.resources TO skyctl_backend;
    GRANT INSERT (kind, organization, name, labels, annotations, spec, created_by)
      ON skyctl.resources TO skyctl_backend;
    GRANT UPDATE (labels, annotations, spec, created_by) ON skyctl.resources TO skyctl_backend;
    GRANT SELECT ON
      skyctl.resource_view, skyctl.resource_status, skyctl.revisions, skyctl.rollouts,
      skyctl.admissions, skyctl.events, skyctl.retained_volumes, skyctl.controllers,
      skyctl.sealing_keys, skyctl.guard_batches, skyctl.schema_versions
      TO skyctl_backend;
  END IF;
END
$$;
