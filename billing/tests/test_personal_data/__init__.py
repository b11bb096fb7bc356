"""A person's data: the whole of it as one document, and its erasure, after which no table knows them."""
