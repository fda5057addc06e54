"""The transactional outbox: publishes decisions and dead letters from Postgres to Kafka."""
