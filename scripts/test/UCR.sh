sh "$(dirname "$0")/../run.sh" run_UCR.py --config configs/UCR --mode test "$@"
