"""What devices have in common that speak SCPI, or nearly."""
