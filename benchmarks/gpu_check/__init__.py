"""The GPU check: tests, speed and training runs on a machine with a CUDA device (`sh scripts/gpu_check.sh`)."""
