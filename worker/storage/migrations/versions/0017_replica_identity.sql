-- These tables have no key. Without this, a publication of all tables makes each DELETE fail, and so
-- `plazo forget`. It costs nothing while wal_level is not logical.
ALTER TABLE acts REPLICA IDENTITY FULL;
ALTER TABLE brake_counts REPLICA IDENTITY FULL
