-- Which of the annotations that the controller heeds the last applied manifest had set: those go when
-- the next one does not mention them any more; what others set stays.
ALTER TABLE skyctl.resource_rows
  ADD COLUMN IF NOT EXISTS applied_annotations text[] NOT NULL DEFAULT '{}';
