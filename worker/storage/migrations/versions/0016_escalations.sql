-- Escalations that wait for a person are counted by it. Only escalations pay for it. Where the table is
-- large, create it beforehand by hand, with CONCURRENTLY: here it holds up writing.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX IF NOT EXISTS decisions_escalated ON decisions (lane, decided_at) WHERE kind = 'escalation'
