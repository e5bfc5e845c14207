"""The three servers: how each is configured, started, addressed and proven ready."""
