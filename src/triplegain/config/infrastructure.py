"""`database.yaml`, `api.yaml`: what the system stands on."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import Field, SecretStr, field_validator, model_validator

from triplegain.config.values import AtLeastOne, Count, Section


class Database(Section):
    """PostgreSQL: our own, or a server you name."""

    url: SecretStr = Field(
        SecretStr(""),
        description="a PostgreSQL server (`postgresql://…`); empty: the embedded one in TRIPLEGAIN_HOME",
        json_schema_extra={"template": "${TRIPLEGAIN_DATABASE_URL:-}"},
    )
    fsync: bool = Field(True, description="false: faster, and a power cut may lose or damage everything")
    snapshot_retention_days: AtLeastOne = Field(
        30, description="minute snapshots of ended sessions are kept this long; their hourly roll-up stays"
    )
    ended_session_retention_days: Count = Field(
        0, description="ended sessions older than this are removed by the clean-up; 0: never"
    )

    @field_validator("url")
    @classmethod
    def _is_postgres(cls, url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        if text and not text.startswith(("postgresql://", "postgres://")):
            raise ValueError("must start with postgresql:// (the value is not shown: it may hold a password)")
        return url


class RequestLimits(Section):
    """Requests a minute of one key."""

    default: AtLeastOne = Field(60, description="routes without a limit of their own")
    reads: AtLeastOne = Field(120, description="reading")
    trade: AtLeastOne = Field(30, description="orders, cancels, closes")
    reset: AtLeastOne = Field(5, description="resetting a session")


class Api(Section):
    """The HTTP API of a running system."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(8733, description="port to listen on")
    allow_remote: bool = Field(False, description="true: `host` may be an address other machines can reach")
    limits_per_minute: RequestLimits = RequestLimits()

    @model_validator(mode="after")
    def _stays_on_this_machine(self) -> Api:
        if not (self.allow_remote or _is_loopback(self.host)):
            raise ValueError(f"host {self.host} can be reached from other machines: set allow_remote: true to mean it")
        return self


def _is_loopback(host: str) -> bool:
    if host.strip().casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip()).is_loopback
    except ValueError:
        return False
