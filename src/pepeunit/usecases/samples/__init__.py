"""What devices measure: from the journal to the stores."""
