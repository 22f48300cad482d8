#!/bin/sh
# A step of CI: prove the cache, and leave reports. Exit 0 where every threshold of the scenario
# holds, 1 where one does not, 2 where the scenario cannot be used.
#
#   sh examples/ci.sh [SCENARIO.toml] [FOLDER]
#
# FOLDER then has junit.xml (one test for each threshold), proof.json, summary.md and report.html.
set -u

scenario=${1:-$(dirname "$0")/ci-scenario.toml}
folder=${2:-report}

rm -f "$folder/summary.md" "$folder/junit.xml"  # never those of an earlier run
esme prove "$scenario" --report "$folder" --json > /dev/null
code=$?

case $code in
0) echo "passed; JUnit report: $folder/junit.xml" ;;
1) [ -f "$folder/summary.md" ] && echo "failed: see $folder/summary.md" >&2 ;;
esac
if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -f "$folder/summary.md" ]; then
    cat "$folder/summary.md" >> "$GITHUB_STEP_SUMMARY"
fi
exit $code
