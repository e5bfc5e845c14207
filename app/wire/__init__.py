"""Bytes in and out: what meters send, what Kafka keeps, what NATS gets back."""
