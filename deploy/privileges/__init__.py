"""Who may do what: `table` is the one list, `text` says it as servers take it."""
