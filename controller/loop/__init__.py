"""The loop knows keys and outcomes, and no kind."""
