"""What a dataset holds, as a text and as a picture."""
