sh "$(dirname "$0")/../run.sh" run.py --config configs/SWAN --mode train "$@"
