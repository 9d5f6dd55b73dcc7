"""Policy: what is lawful, as (policy, envelope, mode) -> verdict. Pure: no I/O, clock or randomness; pydantic only in
document.py.
"""
