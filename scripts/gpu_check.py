"""What this machine's GPU does with lenssr: a few minutes, a table at the end."""

from benchmarks.gpu import main

if __name__ == "__main__":
    main()
