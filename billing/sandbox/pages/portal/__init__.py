"""The Customer Portal."""
