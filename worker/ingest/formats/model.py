"""What the models of foreign records have in common."""

from pydantic import BaseModel, ConfigDict


class Foreign(BaseModel):
    """Strict in what we read, and blind to all else; no fault quotes what came."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True)
