"""The laboratory's records and the operations on them: a Django app for web, manager and CLI."""
