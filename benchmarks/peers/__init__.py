"""The peers of row (g): others who make the same fifty services run."""
