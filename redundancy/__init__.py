"""What a network can lose without loss over a region."""
