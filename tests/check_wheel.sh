#!/bin/sh
# Does the wheel stand on its own? Built, installed into empty environments outside this tree, and used there: first
# without extras, then with those of the bench. Takes a minute or two, mostly downloads. PYTHON picks the interpreter.
set -eu
tree=$(cd "$(dirname "$0")/.." && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"

fail() { echo "check_wheel: $*" >&2; exit 1; }
pip() { "$place/venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }

"${PYTHON:-python3}" -m venv venv
pip wheel --no-deps --wheel-dir dist "$tree"
pip install dist/ullage-*.whl
PATH=$place/venv/bin:$PATH

echo "without extras"
fsw --version
case $(python -c 'import fsw; print(fsw.__file__)') in "$place"/*) ;; *) fail "this is not the installed package" ;; esac
for board in bench_rig soyuz_ms progress_ms station_cabin; do
    fsw check "$board" > "$board.txt" || fail "fsw check $board"
done
fsw check --schema > schema.json
fsw xtce bench_rig > bench_rig.xml
hil list | grep -q unplugged_line || fail "the scenarios are not in the wheel"
fsw run bench_rig --device bus="$place/nowhere" --sink "recorder:$place/recording" 2> run.log &
monitor=$!
for _ in $(seq 60); do
    sleep 1
    fsw decode recording/*.tm --board bench_rig 2> /dev/null | grep -q "RAISE pt1.pressure.bad" && break
done
kill "$monitor"
status=0
wait "$monitor" || status=$?
[ "$status" = 0 ] || { cat run.log >&2; fail "fsw run ended with $status"; }
fsw decode recording/*.tm --board bench_rig > decoded.txt 2> summary.txt
grep -q "RAISE pt1.pressure.bad" decoded.txt || fail "no alarm of the missing line in the recording"
grep -q "0 corrupted stretches, 0 torn tails" summary.txt || fail "the recording is damaged: $(cat summary.txt)"
status=0
hil run unplugged_line > bare.txt 2>&1 || status=$?
[ "$status" = 2 ] && grep -q "pip install 'ullage\[bench\]'" bare.txt || fail "hil run without its extra said: $(cat bare.txt)"

echo "with [bench,ground]"
pip install "$(echo dist/ullage-*.whl)[bench,ground]"
hil run unplugged_line --report report || fail "hil run unplugged_line"
[ -s report/unplugged_line.html ] || fail "no page of plots"
echo "the wheel stands on its own"
