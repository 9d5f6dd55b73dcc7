"""The commands, one file each; this module only joins them."""
