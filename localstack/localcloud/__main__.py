"""`python -m localcloud`: see `localcloud.server`."""

from localcloud.server import main

if __name__ == "__main__":
    main()
