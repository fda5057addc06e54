-- Why the log is not the one that was read. A lane stands still until a person sets its position back:
-- compaction or retention may remove the difference, and the lane would go on without records that it
-- never read.
ALTER TABLE positions ADD COLUMN other_log text
