"""What wakes the loop. A source only says that something may have changed."""
