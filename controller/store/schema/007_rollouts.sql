-- Going back to what was Ready: that a rollout was rolled back, the error of one that failed, and
-- with which restart a generation was Ready last (NULL: recorded by a release that did not know).
ALTER TABLE skyctl.rollouts ADD COLUMN IF NOT EXISTS ready_restarted_at text;
ALTER TABLE skyctl.rollouts ADD COLUMN IF NOT EXISTS failure jsonb;
ALTER TABLE skyctl.rollouts DROP CONSTRAINT IF EXISTS rollouts_outcome_check;
ALTER TABLE skyctl.rollouts ADD CONSTRAINT rollouts_outcome_check
  CHECK (outcome IN ('', 'ready', 'failed', 'rolledBack', 'superseded'));
