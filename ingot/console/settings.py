"""What the console is told by its environment: who may come in, and with which login it reads the warehouse."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ingot.errors import ConfigurationError

LOOPBACK, ALB = "loopback", "alb"


@dataclass(frozen=True)
class Settings:
    """How one console is set up.

    Attributes:
        auth: ``loopback``: for whoever sits at this machine, by the names of its loopback only; ``alb``: for whom a
            load balancer has let in, which says so in a signed token.
        balancer: the load balancer's ARN: tokens of any other are refused.
        keys: where the public keys are that it signs with; else the AWS region's.
        warehouse_secret: the secret of who may read the warehouse; else the one that jobs use.
    """

    auth: str = LOOPBACK
    balancer: str = ""
    keys: str = ""
    warehouse_secret: str = ""

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> Settings:
        """From the environment.

        Raises:
            ConfigurationError: they contradict each other.
        """
        found = cls(
            auth=variables.get("INGOT_UI_AUTH", "") or LOOPBACK,
            balancer=variables.get("INGOT_UI_ALB_ARN", ""),
            keys=variables.get("INGOT_UI_ALB_KEYS", ""),
            warehouse_secret=variables.get("INGOT_UI_WAREHOUSE_SECRET", ""),
        )
        if found.auth not in (LOOPBACK, ALB):
            raise ConfigurationError(
                f"INGOT_UI_AUTH is {found.auth!r}, which the console does not know.", hint=f"use {LOOPBACK} or {ALB}"
            )
        if found.auth == ALB and len(found.balancer.split(":")) < 6:
            raise ConfigurationError(
                "INGOT_UI_AUTH is alb, and INGOT_UI_ALB_ARN names no load balancer.",
                hint="set it to the ARN of the load balancer in front",
            )
        return found
