python run.py --config configs/SMD --mode test "$@"
