"""What every table of the settings is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict

from service.settings import values

Text = Annotated[str, Field(min_length=1), AfterValidator(values.plain)]
Texts = Annotated[tuple[Text, ...], Strict(False)]  # TOML has lists only
Device = Annotated[str, AfterValidator(values.device)]
Source = Annotated[str, AfterValidator(values.source_code)]
Target = Annotated[str, AfterValidator(values.target_code)]


class Section(BaseModel):
    """One table of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
