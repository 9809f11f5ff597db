"""`python -m ledgersafe` is the `ledgersafe` command."""

from ledgersafe.cli import main

if __name__ == "__main__":
    main()
