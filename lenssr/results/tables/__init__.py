"""Tables of finished runs: collected, compared, written."""
