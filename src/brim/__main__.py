"""`python -m brim`: the command line."""

from brim.surfaces.cli import main

if __name__ == "__main__":
    main()
