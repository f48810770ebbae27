-- Images that we pulled: only these are ever removed, once nobody needs them.
CREATE TABLE IF NOT EXISTS skyctl.pulled_images (
  image_id text NOT NULL,
  reference text NOT NULL,
  at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  PRIMARY KEY (image_id, reference)
);

-- What the image policy allowed; policy: a fingerprint of the command that judged. Refusals are not
-- kept: they are asked about again.
CREATE TABLE IF NOT EXISTS skyctl.allowed_images (
  image_id text NOT NULL,
  reference text NOT NULL,
  policy text NOT NULL,
  at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  PRIMARY KEY (image_id, reference, policy)
);
