"""The databags of the interface `smtp`, version 0.

The provider writes its application databag, of flat strings; the requirer writes nothing.

    ProviderSchema:
        unit: <empty>
        app: {
            "host": "smtp.example.com",
            "port": "587",
            "auth_type": "plain",
            "transport_security": "starttls",
            "skip_ssl_verify": "False",
            "user": "notifier",
            "password_id": "secret://6aa1d3c4-9d77-4f0e-8a9b-3a2f51d1a1c2/d4u6k2hfp0q8s1c7v5tg",
        }
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from interface_tester.schema_base import DataBagSchema
from pydantic import BaseModel, ConfigDict, Field, Json, model_validator

Text = Annotated[str, Field(min_length=1)]

_PORT = r"^([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$"
_EXCLUSIVE = [("password", "password_id"), ("password", "oauth_id"), ("password_id", "oauth_id")]
_SECRET = r"^secret:(//[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/)?[0-9a-z]{20}$"  # noqa: S105


class SmtpProviderData(BaseModel):
    """The provider's application databag; readers ignore keys that they do not know."""

    model_config = ConfigDict(
        title="The provider's application databag of the interface smtp, version 0",
        # JSON Schema's way to say that they exclude each other.
        json_schema_extra={"allOf": [{"not": {"required": [*pair]}} for pair in _EXCLUSIVE]},
    )

    host: Text = Field(description="Host name in ASCII, or IP address.")
    port: str = Field(description="TCP port, 1 to 65535.", pattern=_PORT)
    auth_type: Literal["none", "not_provided", "plain"] = Field(
        description="How to authenticate: by user and password (plain), or not at all."
    )
    transport_security: Literal["none", "starttls", "tls"] = Field(
        description="How to protect the connection: by STARTTLS, by TLS from the start, or not."
    )
    skip_ssl_verify: Literal["True", "False"] = Field(
        description="Whether not to verify the relay's certificate."
    )
    domain: Text | None = Field(None, description="Domain of the envelope sender.")
    user: Text | None = Field(None, description="User of SMTP AUTH.")
    password: Text | None = Field(
        None, description="Password in the clear, for requirers that cannot read secrets."
    )
    password_id: str | None = Field(
        None,
        description="URI of the secret with the key password, which is granted to the requirer.",
        pattern=_SECRET,
    )
    oauth_id: str | None = Field(
        None,
        description=(
            "URI of the secret with the grant that access tokens are fetched with, which is "
            "granted to the requirer."
        ),
        pattern=_SECRET,
    )
    smtp_sender: Text | None = Field(None, description="Address that notifications come from.")
    recipients: Json[Annotated[list[Text], Field(min_length=1)]] | None = Field(
        None, description="Addresses for notifications."
    )
    tls_ca_chain: str | None = Field(
        None,
        description="PEM of the CA certificates that verify the relay.",
        pattern="-----BEGIN CERTIFICATE-----",
    )

    @model_validator(mode="before")
    @classmethod
    def _not_both(cls, databag: Any) -> Any:  # noqa: ANN401 - whatever stands there
        for pair in _EXCLUSIVE:
            if isinstance(databag, dict) and set(pair) <= databag.keys():
                raise ValueError(f"{' and '.join(pair)} are never both published")
        return cast("Any", databag)


class ProviderSchema(DataBagSchema):
    """What a provider publishes."""

    app: SmtpProviderData  # pyright: ignore[reportGeneralTypeIssues, reportIncompatibleVariableOverride]
