"""Configuration: what is refused and in which words, what wins over what, and that no secret gets out."""
