"""What simulated devices share: the circuit they hang on, ports, faults and a ledger."""
