"""What every service runs on: the HTTP edge, problem documents, OpenAPI, clients, settings."""
