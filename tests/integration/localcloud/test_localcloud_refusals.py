"""What nothing stands behind is an error."""

from __future__ import annotations

import urllib.request

import pytest
from botocore.exceptions import ClientError


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("glue", "start_crawler", {"Name": "crawler"}),
        ("lambda", "invoke", {"FunctionName": "function"}),
    ],
)
def test_a_call_that_nothing_stands_behind_is_refused(cloud, service, operation, arguments):
    with pytest.raises(ClientError, match="The local cloud does not"):
        getattr(cloud.client(service), operation)(**arguments)


@pytest.mark.parametrize("path", ["/localcloud/health", "/moto-api/"])
def test_health_is_answered(cloud, path):
    with urllib.request.urlopen(cloud.endpoint + path) as answer:
        assert answer.status == 200


def test_the_account_is_the_one_that_names_carry(cloud):
    assert cloud.client("sts").get_caller_identity()["Account"] == "000000000000"
