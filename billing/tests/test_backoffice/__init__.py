"""The back-office, seen through its pages: one file per noun."""
