"""What runs: the loop, its sources, the store, the engine, HTTP and the command line."""

__version__ = "0.1.0"
