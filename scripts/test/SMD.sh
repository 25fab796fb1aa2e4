sh "$(dirname "$0")/../run.sh" run.py --config configs/SMD --mode test "$@"
