-- Whose images are that were pulled with credentials, by their ids. organization '': anybody's after
-- all. What is not named here was built on the engine, or given by its registry to whoever asked.
CREATE TABLE IF NOT EXISTS skyctl.image_grants (
  image_id text NOT NULL,
  organization text NOT NULL,
  secret text NOT NULL,
  at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  PRIMARY KEY (image_id, organization, secret)
);

-- Pulls with credentials that were begun and whose outcome is not recorded above. before: the id of
-- what the reference meant until then and was anybody's.
CREATE TABLE IF NOT EXISTS skyctl.announced_pulls (
  reference text NOT NULL,
  organization text NOT NULL,
  secret text NOT NULL,
  before text NOT NULL,
  at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  PRIMARY KEY (reference, organization, secret)
);
