"""One module a format that trainers write."""
