sh "$(dirname "$0")/run.sh" run_TSBAD.py --config configs/TSB-AD-U "$@"
