sh "$(dirname "$0")/../run.sh" run.py --config configs/SWAT --mode test "$@"
