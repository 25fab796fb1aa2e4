python run.py --config configs/SMAP --mode test "$@"
