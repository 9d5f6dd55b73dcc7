"""The tests. Their folders mirror proxy/; cases/ holds golden files, e2e/ real clients."""
