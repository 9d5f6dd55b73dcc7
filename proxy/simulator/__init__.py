"""A Kimi K2.6 vendor that runs anywhere, honest or faulty on demand."""
