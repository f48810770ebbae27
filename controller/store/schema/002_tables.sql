-- Tables. No foreign key leaves the schema: nobody else's cascade may erase the only record of
-- running containers. What belongs to one resource goes with its row; events and retained
-- volumes stay.

-- What users declare. Read and written through the view skyctl.resources.
CREATE TABLE IF NOT EXISTS skyctl.resource_rows (
  uid uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
  api_version text NOT NULL DEFAULT 'skypanel.io/v1',
  kind text NOT NULL,
  organization text NOT NULL DEFAULT '',
  name text NOT NULL,
  labels jsonb NOT NULL DEFAULT '{}',
  annotations jsonb NOT NULL DEFAULT '{}',
  spec jsonb NOT NULL DEFAULT '{}',
  generation bigint NOT NULL DEFAULT 1,
  source text NOT NULL DEFAULT 'sql',
  owner uuid,
  created_by text,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  deletion_requested_at timestamptz,
  finalizers text[] NOT NULL DEFAULT '{}',
  CONSTRAINT resource_rows_identity UNIQUE (kind, organization, name),
  CONSTRAINT resource_rows_source CHECK (source ~ '^(sql|api|manifest:.{1,200}|instance:[0-9a-f-]{36})$')
);
CREATE INDEX IF NOT EXISTS resource_rows_organization ON skyctl.resource_rows (organization);
CREATE INDEX IF NOT EXISTS resource_rows_owner ON skyctl.resource_rows (owner) WHERE owner IS NOT NULL;

CREATE TABLE IF NOT EXISTS skyctl.resource_status (
  uid uuid PRIMARY KEY REFERENCES skyctl.resource_rows ON DELETE CASCADE,
  observed_generation bigint NOT NULL,
  status jsonb NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT pg_catalog.now()
) WITH (fillfactor = 70);

CREATE TABLE IF NOT EXISTS skyctl.revisions (
  uid uuid NOT NULL REFERENCES skyctl.resource_rows ON DELETE CASCADE,
  generation bigint NOT NULL,
  spec jsonb NOT NULL,
  at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  by text,
  accepted boolean NOT NULL DEFAULT false,
  PRIMARY KEY (uid, generation)
);
CREATE INDEX IF NOT EXISTS revisions_accepted ON skyctl.revisions (uid, generation) WHERE accepted;

-- was_ready outlives a later attempt at the same generation; ready_at belongs to the attempt.
CREATE TABLE IF NOT EXISTS skyctl.rollouts (
  uid uuid NOT NULL REFERENCES skyctl.resource_rows ON DELETE CASCADE,
  generation bigint NOT NULL,
  revision text NOT NULL DEFAULT '',
  started_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  ready_at timestamptz,
  outcome text NOT NULL DEFAULT '' CHECK (outcome IN ('', 'ready', 'failed', 'superseded')),
  reason text NOT NULL DEFAULT '',
  was_ready boolean NOT NULL DEFAULT false,
  PRIMARY KEY (uid, generation)
);

-- What an organization's quota was given to (filled from the quota release on).
CREATE TABLE IF NOT EXISTS skyctl.admissions (
  uid uuid PRIMARY KEY REFERENCES skyctl.resource_rows ON DELETE CASCADE,
  organization text NOT NULL,
  generation bigint NOT NULL,
  claims jsonb NOT NULL DEFAULT '{}',
  at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

-- Equal events of one resource are one row with a count; at is the last time, first_at the first.
CREATE TABLE IF NOT EXISTS skyctl.events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  first_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  uid uuid NOT NULL,
  kind text NOT NULL,
  organization text NOT NULL,
  name text NOT NULL,
  type text NOT NULL CHECK (type IN ('Normal', 'Warning')),
  reason text NOT NULL,
  message text NOT NULL,
  count integer NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX IF NOT EXISTS events_equal
  ON skyctl.events (uid, kind, organization, name, type, reason, pg_catalog.md5(message));
CREATE INDEX IF NOT EXISTS events_at ON skyctl.events (at);

-- Volumes whose resource is gone and whose data stays. expires_at NULL: until somebody purges it.
-- label_uid: the io.skypanel.uid on the engine, where it is another than uid (adopted data).
CREATE TABLE IF NOT EXISTS skyctl.retained_volumes (
  uid uuid PRIMARY KEY,
  engine_name text NOT NULL UNIQUE,
  organization text NOT NULL,
  name text NOT NULL,
  label_uid text NOT NULL DEFAULT '',
  retained_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  expires_at timestamptz
);

-- That an engine volume once existed: from then on its absence is a loss.
CREATE TABLE IF NOT EXISTS skyctl.volume_records (
  uid uuid PRIMARY KEY REFERENCES skyctl.resource_rows ON DELETE CASCADE,
  engine_name text NOT NULL,
  label_uid text,
  at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

CREATE TABLE IF NOT EXISTS skyctl.pre_deploys (
  uid uuid NOT NULL REFERENCES skyctl.resource_rows ON DELETE CASCADE,
  generation bigint NOT NULL,
  result text NOT NULL,
  at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  PRIMARY KEY (uid, generation)
);

-- The networks of organizations; no two may overlap.
CREATE TABLE IF NOT EXISTS skyctl.subnets (
  uid uuid PRIMARY KEY REFERENCES skyctl.resource_rows ON DELETE CASCADE,
  subnet cidr NOT NULL,
  at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  CONSTRAINT subnets_disjoint EXCLUDE USING gist (subnet inet_ops WITH &&)
);

-- Batches of inferred deletions that wait for a person.
CREATE TABLE IF NOT EXISTS skyctl.guard_batches (
  id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
  source text NOT NULL,
  fingerprint text NOT NULL,
  items text[] NOT NULL,
  total integer NOT NULL,
  state text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'approved', 'discarded')),
  at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  decided_at timestamptz,
  decided_by text,
  UNIQUE (source, fingerprint)
);

-- The processes that share this store.
CREATE TABLE IF NOT EXISTS skyctl.controllers (
  instance text PRIMARY KEY,
  version text NOT NULL,
  leader boolean NOT NULL,
  epoch bigint NOT NULL,
  heartbeat_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  engine_state text NOT NULL DEFAULT '',
  engine_version text NOT NULL DEFAULT ''
) WITH (fillfactor = 50);

-- Public keys that secrets are sealed for.
CREATE TABLE IF NOT EXISTS skyctl.sealing_keys (
  id text PRIMARY KEY,
  public_key text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  active boolean NOT NULL DEFAULT true
);

-- One row: who this store is (the io.skypanel.controller label), which engine and key belong to
-- it, and the epoch of the newest leader.
CREATE TABLE IF NOT EXISTS skyctl.identity (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  instance text NOT NULL DEFAULT pg_catalog.gen_random_uuid()::text,
  engine_id text,
  sealing_key_id text,
  epoch bigint NOT NULL DEFAULT 0
);
INSERT INTO skyctl.identity (singleton) VALUES (true) ON CONFLICT DO NOTHING;
