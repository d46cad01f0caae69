"""What must hold: loading, checking and mapping policies."""
