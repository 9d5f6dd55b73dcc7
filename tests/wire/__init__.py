"""Tests of proxy/wire: real sockets, scripted vendors."""
