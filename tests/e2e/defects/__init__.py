"""Known defects through the whole system: which signal names each, and after how much traffic.

python -m tests.e2e.defects leaked-markers no-done      a line for each
python -m tests.e2e.defects --markdown docs/defects.md  all of them, into the tables of that page
"""
