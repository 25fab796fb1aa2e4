python run.py --config configs/SWAT --mode train "$@"
