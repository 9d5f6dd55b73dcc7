"""The offline commands: what goes to stdout, what to stderr, and the exit code."""
