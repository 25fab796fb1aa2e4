python run.py --config configs/SWAN --mode train "$@"
