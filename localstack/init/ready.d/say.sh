#!/bin/bash
# LocalStack runs what is in ready.d once it serves. Nothing is made here: buckets and keys come from the stacks, which the
# service `deploy` puts there. What it says is read from the logs: which edition serves what.
set -euo pipefail
echo "LocalStack for Ingot: S3, KMS and Lambda. The local cloud has the rest."
