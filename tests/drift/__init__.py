"""Tests of proxy.drift."""
