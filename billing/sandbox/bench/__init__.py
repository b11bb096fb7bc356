"""How fast the product is over HTTP (`manage.py bench_http`)."""
