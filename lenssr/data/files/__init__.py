"""Images that others recorded, read without running anybody's code."""
