"""Processes, sockets, reload, drain, the metrics merge and the admin port. Proxy traffic never passes here."""
