sh "$(dirname "$0")/../run.sh" run.py --config configs/MSL --mode test "$@"
