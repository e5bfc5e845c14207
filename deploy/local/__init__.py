"""The local stack: real servers from packages, and the whole system on top of them."""
