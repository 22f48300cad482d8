#!/bin/sh
# A CI step: prove the cache and write reports. Exit 0 if every threshold of the scenario holds,
# 1 if one does not or the proof failed, 2 if the scenario is invalid.
#
#   sh examples/ci.sh [SCENARIO.toml] [FOLDER]
#
# Writes junit.xml (one test for each threshold), proof.json, summary.md and report.html to FOLDER,
# and removes those of an earlier run.
set -u

scenario=${1:-$(dirname "$0")/ci-scenario.toml}
folder=${2:-report}

esme prove "$scenario" --report "$folder" --json > /dev/null
code=$?

[ $code -eq 0 ] && echo "passed; JUnit report: $folder/junit.xml"
if [ -f "$folder/summary.md" ]; then
    [ $code -ne 0 ] && echo "failed: see $folder/summary.md" >&2
    [ -n "${GITHUB_STEP_SUMMARY:-}" ] && cat "$folder/summary.md" >> "$GITHUB_STEP_SUMMARY"
fi
exit $code
