"""Training a network: steps, schedules, checkpoints, devices, processes."""
