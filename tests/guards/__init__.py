"""How well the modules that guard are tested: each by its own tests, line by line, branch by branch, fault by fault."""
