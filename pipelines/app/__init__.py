"""The web page and the HTTP API: one server, jobs in a queue."""
