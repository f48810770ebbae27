"""Ratios side by side: the controller against the bare engine and against its peers."""
