-- purged_by: who asked for the data's end before its window's, '' when nobody says; NULL: nobody did.
ALTER TABLE skyctl.retained_volumes ADD COLUMN IF NOT EXISTS purged_by text;
