"""What the long-running processes share: settings, logging, readiness, broker link, local wire."""
