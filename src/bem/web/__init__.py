"""The web application: pages, API, live push."""
