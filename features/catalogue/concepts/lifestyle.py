"""How people live: tobacco, alcohol, exercise."""

from __future__ import annotations

from features.catalogue.concepts.sources import ESC, QRISK3, UNREVIEWED
from features.codes import CIM10, CISP2, LOINC, SNOMED, Concept

LIGHT_SMOKER = (
    LOINC("LA18982-1"),
    *SNOMED.codes("266920004"),  # trivial: less than one a day
    *SNOMED.codes("160603005 230060001 428061000124105"),  # light: 1 to 9 a day
    *SNOMED.codes("450821000124107 450811000124104"),  # 1 to 4, 5 to 9 a day
)
MODERATE_SMOKER = SNOMED.codes("160604004 230062009")  # 10 to 19 a day
HEAVY_SMOKER = (
    LOINC("LA18981-3"),
    *SNOMED.codes("160605003 230063004"),  # heavy: 20 to 39 a day
    *SNOMED.codes("160606002 230064005"),  # very heavy: 40 or more
    *SNOMED.codes("56771006 428071000124103 230065006"),  # heavy in other words, chain smoker
)
SMOKING_STATUS = Concept(
    "smoking_status",
    "Statut tabagique",
    "Smoking status",
    categories=(
        # "non-smoker": never or former, the source does not say which
        ("not current", SNOMED.codes("8392000 405746006 87739003 360918006 360929005 105541001 105539002 105540000")),
        ("never", (LOINC("LA18978-9"), *SNOMED.codes("266919005 221000119102"))),
        (
            "former",
            (
                LOINC("LA15920-4"),
                *SNOMED.codes("8517006 160617001 48031000119106 735128000"),  # stopped, for more or less than a year
                *SNOMED.codes("281018007 266928006 160620009 160621008"),  # of cigarettes, a pipe, cigars
                *SNOMED.codes("266921000 266922007 428091000124102"),  # trivial, light
                *SNOMED.codes("266923002 266924008 266925009 428081000124100"),  # moderate, heavy
                *SNOMED.codes("53896009 360890004 360900008"),
            ),
        ),
        (
            "current",
            (
                LOINC("LA18976-3"),
                LOINC("LA18977-1"),
                *SNOMED.codes(
                    "77176002 65568007 82302008 59978006 698289004"
                ),  # of cigarettes, a pipe, cigars, a hookah
                *SNOMED.codes("449868002 428041000124106 230059006"),  # every day, some days
                *LIGHT_SMOKER,
                SNOMED("56578002"),  # moderate: 20 or fewer a day
                *MODERATE_SMOKER,
                *HEAVY_SMOKER,
                CISP2("P17"),
                CIM10("F17"),
                CIM10("Z72.0"),
            ),
        ),
    ),
    source="LOINC answer list LL2201-3",
    review=f"{UNREVIEWED} F17 and P17 are recorded for some former smokers too.",
)
SMOKING_INTENSITY = Concept(
    "smoking_intensity",
    "Intensité du tabagisme",
    "Smoking intensity",
    categories=(("light", LIGHT_SMOKER), ("moderate", MODERATE_SMOKER), ("heavy", HEAVY_SMOKER)),
    source=f"{QRISK3}: fewer than 10, 10 to 19, 20 or more cigarettes a day",
    review=f"{UNREVIEWED} LOINC’s light and heavy (LA18982-1, LA18981-3) are about ten a day, without “moderate”.",
)
CIGARETTES_PER_DAY = Concept(
    "cigarettes_per_day",
    "Cigarettes par jour",
    "Cigarettes a day",
    (LOINC("64218-1"),),
    unit="/d",
    plausible=(0, 150),
    source="LOINC",
    review=UNREVIEWED,
)
ALCOHOLIC_DRINKS = Concept(
    "alcoholic_drinks",
    "Verres d’alcool par jour",
    "Alcoholic drinks a day",
    (LOINC("74013-4"), SNOMED("160573003")),
    unit="{drinks}/d",
    plausible=(0, 60),
    conversions=(("/d", 1.0), ("{drinks}/wk", 1 / 7), ("/wk", 1 / 7)),
    source=f"{ESC}; a French standard drink holds 10 g of alcohol",
    review=f"{UNREVIEWED} Standard drinks differ between countries (8 to 14 g), and are not converted.",
)
ALCOHOL_USE_DISORDER = Concept(
    "alcohol_use_disorder",
    "Trouble de l’usage d’alcool",
    "Alcohol use disorder",
    (
        CIM10("F10"),
        CIM10("Z72.1"),
        *CISP2.codes("P15 P16"),
        *SNOMED.codes("7200002 66590003"),  # alcoholism, dependence
        SNOMED("15167005"),  # abuse
    ),
    source="CIM-10 F10, Z72.1",
    review=UNREVIEWED,
)
PHYSICAL_ACTIVITY = Concept(
    "physical_activity",
    "Activité physique par semaine",
    "Physical activity a week",
    (LOINC("82290-8"),),
    unit="min/wk",
    plausible=(0, 5000),
    conversions=(("h/wk", 60.0),),
    source=f"{ESC}: 150 to 300 minutes a week of moderate intensity",
    review=UNREVIEWED,
)
ACTIVE_DAYS = Concept(
    "active_days",
    "Jours d’activité physique par semaine",
    "Days of physical activity a week",
    (LOINC("89555-7"),),
    unit="d/wk",
    plausible=(0, 7),
    source=ESC,
    review=UNREVIEWED,
)
INACTIVITY = Concept(
    "physical_inactivity",
    "Manque d’exercice physique",
    "Lack of physical exercise",
    (CIM10("Z72.3"),),
    source="CIM-10 Z72.3",
    review=UNREVIEWED,
)
