"""One run: its folder, what it needs, how it is built, executed, asked again and read."""
