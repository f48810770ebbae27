-- Who claims which hostname, with which path ('' for all). verified_at: since when it is proven that
-- the organization may; all verified claims of one hostname are of one organization. conflict: why
-- the claim does not hold, as it was when last decided; '' while it does.
-- Advisory locks (7563643, hash of the hostname): one decision at a time for each.
CREATE TABLE IF NOT EXISTS skyctl.domain_claims (
  uid uuid NOT NULL REFERENCES skyctl.resource_rows ON DELETE CASCADE,
  hostname text NOT NULL,
  path text NOT NULL DEFAULT '',
  organization text NOT NULL,
  at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  verified_at timestamptz,
  conflict text NOT NULL DEFAULT '',
  PRIMARY KEY (uid, hostname, path)
);
CREATE INDEX IF NOT EXISTS domain_claims_hostname ON skyctl.domain_claims (hostname);
