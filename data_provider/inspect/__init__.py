"""What a dataset contains, as text and as a picture."""
