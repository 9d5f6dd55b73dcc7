"""Tests of proxy/policy: cases are data (tests/cases/policy), invariants are properties."""
