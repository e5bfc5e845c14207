"""What the sections of the settings have in common."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr

__all__ = ["Encrypted", "Section"]


class Section(BaseModel):
    """A frozen group of settings that refuses names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Encrypted(Section):
    """A way that may be encrypted: whom we trust on it, and what we show."""

    tls: bool = Field(
        False, description="Encrypt all connections, and refuse any that is not."
    )
    ca: SecretStr = Field(
        SecretStr(""),
        description="Certificates (PEM) of the private CA to trust; turns tls on.",
    )
    certificate: SecretStr = Field(
        SecretStr(""),
        description="Our own certificate and its key (PEM); turns tls on.",
    )

    @property
    def is_encrypted(self) -> bool:
        """Whether nothing may pass in the clear."""
        return self.tls or bool(self.authorities or self.shown)

    @property
    def authorities(self) -> str:
        """Certificates (PEM) to trust; empty: those of the system."""
        return self.ca.get_secret_value()

    @property
    def shown(self) -> str:
        """Our own certificate and its key (PEM); empty: we have none."""
        return self.certificate.get_secret_value()
