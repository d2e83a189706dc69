"""`python -m service` is `boothd`."""

from service.cli import main

if __name__ == "__main__":
    main()
