"""`python -m community_flow`."""

from community_flow.commands import main

if __name__ == "__main__":
    main()
