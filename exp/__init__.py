"""The experiment: the only room that knows data, models and measures."""
