python run.py --config configs/MSL --mode test "$@"
