"""What the pages ask: SQL with aggregates in the warehouse, and objects of Bronze. No web code."""
