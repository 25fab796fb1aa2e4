python run.py --config configs/GECCO --mode train "$@"
