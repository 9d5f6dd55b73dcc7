"""The log: what is committed survives, in order and once; every refusal says what to do."""
