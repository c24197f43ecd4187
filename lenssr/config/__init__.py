"""What is asked for: composing configurations, their identity, building what they describe."""
