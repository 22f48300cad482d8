#!/bin/sh
# Makes the two key pairs of the supplier in parties.toml, beside this script.
set -eu
umask 077
cd "$(dirname "$0")"
for usage in ka ds
do openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$usage.pem"
done
