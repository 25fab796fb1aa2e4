sh "$(dirname "$0")/../run.sh" run.py --config configs/GECCO --mode test "$@"
