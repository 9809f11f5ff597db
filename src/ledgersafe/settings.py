"""Every setting, in one frozen class, read once (in `bootstrap`) from the environment: LEDGERSAFE_<NAME>."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What can be set, with its default and its unit."""

    model_config = SettingsConfigDict(env_prefix="LEDGERSAFE_", frozen=True, extra="ignore")

    database_url: SecretStr | None = Field(
        default=None,
        description="Postgres 16+ for the application (role ledgersafe_app, or a login that may SET ROLE to it). Without it, the embedded Postgres under LEDGERSAFE_DATA is used.",
    )
    owner_database_url: SecretStr | None = Field(
        default=None,
        description="Postgres login that owns the schema and runs migrations. Defaults to LEDGERSAFE_DATABASE_URL.",
    )
    data: Path = Field(default=Path(".ledgersafe"), description="Folder of the embedded Postgres and of local files.")
    postgres_version: Literal[16, 18] = Field(default=18, description="Which embedded Postgres a new data folder gets.")

    url: str = Field(default="http://127.0.0.1:8000", description="Where the CLI finds the API.")
    api_key: SecretStr | None = Field(default=None, description="The API key that the CLI sends.")

    auth: Literal["on", "off"] = Field(
        default="on", description="'off' lets everybody in as everything; only on a loopback address."
    )
    oidc_issuer: str | None = Field(
        default=None,
        description="OpenID Connect issuer whose tokens people may send; needs LEDGERSAFE_OIDC_AUDIENCE too.",
    )
    oidc_audience: str | None = Field(default=None, description="The audience that such a token must be for.")
    oidc_jwks_url: str | None = Field(
        default=None, description="Where the issuer's keys are; found by discovery if not set."
    )
    pool_size: int = Field(
        default=10, ge=2, le=200, description="Database connections of one process; group commit uses one of them."
    )
    queue_events: int = Field(
        default=16_384, ge=4_096, description="Events that may wait for a commit, in one process."
    )
    queue_events_per_tenant: int = Field(
        default=4_096, ge=1, description="Events of one tenant that may wait for a commit."
    )
    queue_megabytes: int = Field(default=256, ge=16, description="Bytes that may wait for a commit, in one process.")
    commit_events: int = Field(
        default=512, ge=1, le=5_000, description="Events that one commit takes at most from the single-event door."
    )
    statement_timeout_seconds: float = Field(default=10, gt=0, description="Longest time that one statement may take.")
    max_event_bytes: int = Field(default=1_048_576, ge=1_024, description="Largest single event.")
    max_batch_bytes: int = Field(default=67_108_864, ge=1_024, description="Largest body of a batch.")
    max_batch_events: int = Field(default=10_000, ge=1, description="Most events in a batch.")
    body_timeout_seconds: float = Field(
        default=30, gt=0, description="Longest time that a request's body may take to arrive."
    )
    future_seconds: float = Field(default=600, ge=0, description="How far occurred_at may lie ahead of our clock.")
    raw_zone: str | None = Field(
        default=None,
        description="Where received files are kept for ever: a folder, or s3://, gs:// or az:// with the credentials of the environment (AWS_…, GOOGLE_…, AZURE_…). Defaults to LEDGERSAFE_DATA/raw.",
    )
    max_file_bytes: int = Field(default=10_000_000_000, ge=1_024, description="Largest file that is received.")
    files_from: str = Field(
        default="",
        description="Folders of the API's machine from which files may be received by their path, separated as in PATH (by ':'). By default there is none.",
    )
    seal_key: Path | None = Field(
        default=None,
        description="File of the private key (JWK, Ed25519) that signs heads of seals; made at first use, for its owner's eyes only. Several hosts need the same one. Defaults to LEDGERSAFE_DATA/seal-key.json.",
    )
    webhook_private_addresses: Literal["on", "off"] = Field(
        default="off",
        description="'on': webhooks may go to addresses of this network and this machine, too. Those where clouds answer with credentials are refused always.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line that is written."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="'auto' is text on a terminal and JSON elsewhere."
    )
