python run.py --config configs/GECCO --mode test "$@"
