"""The GPU check: tests, speed and trainings on a machine with a CUDA device (`sh scripts/gpu_check.sh`)."""
