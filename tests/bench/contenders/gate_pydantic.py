"""pydantic, strict, straight from JSON: models written by hand after the contract."""

from importlib.metadata import version
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from refusals import path_of, tell

Number = Annotated[int, Field(ge=1, le=2**63 - 1)]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class Line(Strict):
    productId: Number
    quantity: Annotated[int, Field(ge=1, le=2**31 - 1)]


class Cart(Strict):
    id: Number
    userId: Number
    date: AwareDatetime
    products: Annotated[list[Line], Field(min_length=1, max_length=1000)]
    v: Annotated[int | None, Field(alias="__v", ge=-(2**31), le=2**31 - 1)] = None


page_of = TypeAdapter(list[Cart])


def check(page):
    try:
        return len(page_of.validate_json(page)), []
    except ValidationError as error:
        first = {}
        for each in error.errors(include_url=False, include_context=False, include_input=False):
            position, *path = each["loc"]
            first.setdefault(position, path_of(path))
        wrong = sorted(first.items())
        return page.count(b'"__v":') - len(wrong), wrong


tell(check, {"pydantic": version("pydantic")})
