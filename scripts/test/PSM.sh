python run.py --config configs/PSM --mode test "$@"
