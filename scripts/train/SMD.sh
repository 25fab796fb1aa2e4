python run.py --config configs/SMD --mode train "$@"
