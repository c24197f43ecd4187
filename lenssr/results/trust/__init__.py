"""What of a network's image may be trusted: what it returns of what is there, and what it makes of nothing."""
