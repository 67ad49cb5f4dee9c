"""Vaccines and other prevention: who uses it also tends to be screened."""

from __future__ import annotations

from features.catalogue.concepts.sources import NO_DESCENDANTS, UNREVIEWED
from features.codes import ATC, CVX, NGAP, SNOMED, Concept

INFLUENZA_VACCINATION = Concept(
    "influenza_vaccination",
    "Vaccination contre la grippe",
    "Influenza vaccination",
    (
        ATC("J07BB"),
        *CVX.codes("88 111 135 140 141 144 149 150 153 155 158 161 166 168 171 185 186 197 205"),
        SNOMED("86198006"),
    ),
    source="French vaccination schedule",
    review=f"{NO_DESCENDANTS} The vaccine bought and the vaccination: two records of one.",
)
PNEUMOCOCCAL_VACCINATION = Concept(
    "pneumococcal_vaccination",
    "Vaccination contre le pneumocoque",
    "Pneumococcal vaccination",
    (
        ATC("J07AL"),
        *CVX.codes("33 109 133 152 215 216"),
        *SNOMED.codes("434751000124102 871833000"),
    ),
    source="French vaccination schedule",
    review=f"{NO_DESCENDANTS} The vaccine bought and the vaccination: two records of one.",
)
HPV_VACCINATION = Concept(
    "hpv_vaccination",
    "Vaccination contre les papillomavirus",
    "HPV vaccination",
    (
        ATC("J07BM"),
        *CVX.codes("62 118 165"),  # 4, 2 and 9 types
    ),
    source="French vaccination schedule",
    review=f"{UNREVIEWED} SNOMED CT codes could not be verified.",
)
CONTRACEPTION_CONSULTATION = Concept(
    "contraception_consultation",
    "Consultation de contraception et prévention",
    "Contraception and prevention consultation",
    (NGAP("CCP"),),
    source="NGAP, CCP",
    review=UNREVIEWED,
)
DENTAL_PREVENTION = Concept(
    "dental_prevention",
    "Consultation de prévention bucco-dentaire",
    "Dental prevention consultation",
    NGAP.codes("BDC BR2 BR4"),
    source="NGAP, BDC, BR2, BR4",
    review=UNREVIEWED,
)
