"""What any program needs: files, locks, progress, commands, imports, processes."""
