"""The local stack: real servers from packages, and the whole system on top of them.

`python -m deploy.local up | down | status | run`; tests use `stack.Stack`. Everything
lives in one folder (`.run` unless told otherwise): configuration, data, logs and
`state.json`, the ledger of what runs. Imports of the product: settings and names only.
"""
