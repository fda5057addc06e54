"""What the models of foreign records have in common."""

from pydantic import BaseModel, ConfigDict


class Foreign(BaseModel):
    """Strict in the fields we read; ignores all others; its errors do not quote the input."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True)
