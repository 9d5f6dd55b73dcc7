"""The supervisor: its parts as data, and the whole as processes."""
