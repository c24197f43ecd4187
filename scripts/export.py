"""Write a finished run as a folder to share: ``python scripts/export.py <run>``; see lenssr.sharing.export."""

from lenssr.sharing.export import main

if __name__ == "__main__":
    main()
