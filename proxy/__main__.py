"""`python -m proxy` is `paramwall`."""

from proxy.cli import main

if __name__ == "__main__":
    main()
