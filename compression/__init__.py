"""What a network can lose with a loss that is measured and repaired."""
