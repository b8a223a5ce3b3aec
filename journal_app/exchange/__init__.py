"""What leaves the journal when the writer says so: one module per format, written only where the writer asked."""
