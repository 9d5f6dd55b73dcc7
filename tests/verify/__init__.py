"""`paramwall verify`: whole runs against a simulator, their bounds, and what is written of them."""
