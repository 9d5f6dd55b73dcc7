"""The clause kinds, one file each; CLAUSES gives their order and says why."""
