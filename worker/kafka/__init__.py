"""The clients of Kafka. Nothing outside this package imports aiokafka."""
