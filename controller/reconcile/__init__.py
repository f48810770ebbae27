"""One pass over one key: observe, plan, execute, report."""
