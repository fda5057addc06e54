"""The clients of Kafka. Only they, and the tools of `plazo dev`, import aiokafka."""
