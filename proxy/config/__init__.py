"""paramwall.yaml, flags and environment -> one frozen Config; the only reader of os.environ."""
