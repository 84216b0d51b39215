"""What a call costs, and the budgets that limit it."""
