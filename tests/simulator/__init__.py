"""The simulator on real sockets, and its parts."""
