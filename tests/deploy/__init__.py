"""Tests of deploy/: each way to run Paramwall before the tool that would read it."""
