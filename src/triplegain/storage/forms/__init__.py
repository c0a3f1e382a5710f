"""The form that sessions are written in, and the ways to it from earlier ones."""

from __future__ import annotations

from triplegain.domain.parts import FORM
from triplegain.storage.forms import form2
from triplegain.storage.forms.conversion import Converter, Forms

FORMS = Forms(FORM, {2: Converter(form2.convert, form2.TABLES)})
