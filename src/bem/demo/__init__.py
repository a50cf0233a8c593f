"""The embedded default: all of a small laboratory on one computer, without root or hardware."""
