"""What is typed: ``lenssr <command>``, and the doors that name a wrong run before torch is imported."""
