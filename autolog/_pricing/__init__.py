"""The cost of calls, and budgets that limit it."""
