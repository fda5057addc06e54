"""What crosses Kafka: models, the JSON Schemas and AsyncAPI made from them, and examples."""
