python run.py --config configs/MSL --mode train "$@"
