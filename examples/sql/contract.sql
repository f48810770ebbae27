-- The SQL that a backend uses, from a login that is a member of skyctl_backend:
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f contract.sql
-- It runs as it stands; the waits are for whoever watches (see examples/node for a program).

-- 1. Who acts, for the history. SET LOCAL holds for the transaction, for its DELETEs too.
BEGIN;
SET LOCAL skyctl.actor = 'user:3f0c9a52-7d0b-4c67-9c4e-1f6d1f7a2b10';

-- 2. A tenant. Kinds without an organization have ''.
INSERT INTO skyctl.resources (kind, name, spec)
VALUES ('Organization', 'sql-demo', '{"displayName": "SQL demo", "quota": {"memory": "1Gi"}}')
ON CONFLICT (kind, organization, name) DO UPDATE SET spec = EXCLUDED.spec;

-- 3. A volume and a service. Created or changed: the same statement.
INSERT INTO skyctl.resources (kind, organization, name, spec)
VALUES ('Volume', 'sql-demo', 'data', '{"size": "100Mi", "deletionPolicy": "Delete"}')
ON CONFLICT (kind, organization, name) DO UPDATE SET spec = EXCLUDED.spec;

INSERT INTO skyctl.resources (kind, organization, name, labels, spec)
VALUES ('Service', 'sql-demo', 'web', '{"tier": "frontend"}', '{
          "image": "skypanel/quickstart:1",
          "imagePullPolicy": "Never",
          "volumes": [{"volume": "data", "mountPath": "/data"}],
          "resources": {"cpu": "100m", "memory": "32Mi"}
        }')
ON CONFLICT (kind, organization, name) DO UPDATE SET spec = EXCLUDED.spec
RETURNING uid, generation;
COMMIT;

-- 4. One field. The generation rises when the spec really changes, and only then.
UPDATE skyctl.resources SET spec = jsonb_set(spec, '{replicas}', '2')
WHERE kind = 'Service' AND organization = 'sql-demo' AND name = 'web'
RETURNING generation;

-- 5. What became of it. settled: the newest generation has been dealt with.
SELECT phase, ready, reason, message, settled FROM skyctl.resource_view
WHERE kind = 'Service' AND organization = 'sql-demo' AND name = 'web';

-- 6. Live pages: LISTEN first, then read; each payload is Kind/organization/name.
LISTEN skyctl_status;

SELECT kind, name, phase, ready, status -> 'readyReplicas' AS replicas, status -> 'error' AS error
FROM skyctl.resource_view WHERE organization = 'sql-demo' ORDER BY kind, name;

-- 7. What happened, newest last; what it was before; who leads.
SELECT at, type, reason, message, count FROM skyctl.events
WHERE organization = 'sql-demo' ORDER BY at DESC LIMIT 20;

SELECT generation, at, by, accepted FROM skyctl.revisions
JOIN skyctl.resources USING (uid, generation)
WHERE organization = 'sql-demo' ORDER BY at;

SELECT instance, version, leader, heartbeat_at, engine_state FROM skyctl.controllers;

-- 8. Deletion is a request: it answers DELETE 1 at once, and the row goes when the containers have
-- gone. Deleting the organization requests the deletion of everything in it.
DELETE FROM skyctl.resources
WHERE kind = 'Organization' AND organization = '' AND name = 'sql-demo';

-- 9. What is refused, with SQLSTATE and hint:
--   a write while the deletion is pending                           55006
--   a resource that belongs to a manifest directory or to the API   55000
--   any write to a status, a revision, an event; a forged source    42501
--   a value in the clear in a Secret, but under "data"              22023
