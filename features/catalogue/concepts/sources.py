"""Where the definitions come from, and how far they have been looked over."""

from __future__ import annotations

from typing import Final

ESC: Final = "ESC 2021 prevention guideline, doi:10.1093/eurheartj/ehab484"
QRISK3: Final = "QRISK3, doi:10.1136/bmj.j2099"
PREVENT: Final = "PREVENT, doi:10.1161/CIRCULATIONAHA.123.067626"
KDIGO: Final = "KDIGO 2024 CKD guideline, doi:10.1016/j.kint.2023.10.018"
ACC: Final = "ACC/AHA 2018 cholesterol guideline, doi:10.1161/CIR.0000000000000625"
BREAST: Final = "French breast cancer screening programme (arrêté du 29 septembre 2006)"
COLORECTAL: Final = "French colorectal cancer screening programme (arrêté du 29 septembre 2006, annexe IV)"
CERVICAL: Final = "French cervical cancer screening programme; HAS 2019, HPV test in primary screening"
PRACTICE_FILE: Final = "practice file"

#: What every definition starts from: its codes were checked against published lists, its meaning by nobody.
UNREVIEWED: Final = "Reviewed by nobody yet."
#: SNOMED CT codes are matched one by one, the classes above are not known here.
NO_DESCENDANTS: Final = (
    f"{UNREVIEWED} SNOMED CT: the general codes only; a source that uses narrower ones must deliver their ancestors."
)
#: RxNorm codes are ingredients, and the few products seen in test data.
INGREDIENTS: Final = (
    f"{UNREVIEWED} RxNorm: ingredients, and products seen in test data; others must be delivered as ingredients."
)
