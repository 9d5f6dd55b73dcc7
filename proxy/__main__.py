"""`python -m proxy` is `paramwall`. Nothing else lives here."""

from proxy.cli import main

if __name__ == "__main__":
    main()
